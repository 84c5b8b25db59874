/* Not broken: shows that what the others are refused for is not the fault of what they have in common. */
#include "small.h"

SMALL();
