/* ssd that does not note on the disk what is gone: after a crash it is there again. */
#define TOMBS_ARE_WRITTEN false
