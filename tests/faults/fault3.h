/* l1l2 that writes l2 first, and when the new value cannot be put into l1 leaves the old one there. */
#define STORE(ask)                                                                                               \
	{                                                                                                        \
		[S_DROP] = { .name = "l2", .tier = L2, .verb = (ask), .yes = S_L2 },                             \
		[S_L2] = { .name = "known?", .run = tiers_knows_stored, .yes = S_KNOWN },                        \
		[S_KNOWN] = { .name = "publish", .tier = L1, .verb = REND_SET, .guarded = true, .aside = true }, \
		{                                                                                                \
			0                                                                                        \
		}                                                                                                \
	}
