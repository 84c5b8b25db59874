/* l1l2 over an l1 in another process that puts a copy there without asking whether its lease is still good. */
#define CONFIRMED_FILL .name = "fill", .tier = L1, .verb = REND_SET, .own = true, .aside = true
