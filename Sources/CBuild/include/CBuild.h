// What this executable was built from.
#pragma once

// The lines that nginx/package passes in the environment's TOMI_BUILD, with "; " between them; empty
// in any other build.
const char *tomi_build(void);
