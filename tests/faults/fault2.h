/* l1l2 whose delete leaves l1 alone when l2 does not have the key. */
#define DELETE_FIRST  .name = "l2", .tier = L2, .verb = REND_DELETE, .yes = D_L2
#define DELETE_SECOND .name = "drop", .tier = L1, .verb = REND_DELETE, .own = true, .aside = true
