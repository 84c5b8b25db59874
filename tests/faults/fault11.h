/* ssd whose versions go on, after a crash, from the highest that is on the disk: those that were answered and lost are given out again. */
#define VERSIONS_GO_ON false
