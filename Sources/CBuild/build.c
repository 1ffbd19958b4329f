#include "CBuild.h"

#ifndef TOMI_BUILD
#define TOMI_BUILD ""
#endif

const char *tomi_build(void) { return TOMI_BUILD; }
