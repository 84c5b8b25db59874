/* l1l2 over an l1 in another process that tells the client what l2 said before l1 has taken the copy. */
#define CONFIRMED_FILL .name = "fill", .tier = L1, .verb = REND_SET, .own = true, .lease = REND_LEASE_USE, .late = true
