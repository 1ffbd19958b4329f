-- Who is staff, for the people to whom a request can be handed over.
CREATE INDEX tokens_of_staff ON tokens (user_id) WHERE scope IS NOT NULL;
