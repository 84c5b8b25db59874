/* l1l2 that puts into l1 what a get found in l2, whoever wrote meanwhile. */
#define FILL .name = "fill", .tier = L1, .verb = REND_SET, .late = true
