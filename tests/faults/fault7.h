/* l1l2 over an l1 in another process that acknowledges a write although l1 did not say that its copy is gone. */
#define ACKNOWLEDGE .name = "go_on?", .run = apart_goes_on
