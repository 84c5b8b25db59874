/* l1l2batch whose touch and gat look at l1's copy, and leave its time as it was. */
#define SHORTEN                                                                                                    \
	.name = "shorten", .tier = L1, .verb = REND_GET, .own = true, .aside = true, .yes = T_L2, .no = T_L2_COLD, \
	.fail = REND_REPLY_FAIL
#define MOVE .name = "move", .tier = L1, .verb = REND_GET, .own = true, .aside = true, .no = T_DROP, .fail = T_DROP
