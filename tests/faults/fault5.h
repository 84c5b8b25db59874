/* A rend whose gets join any get of the same key, also one from before a write. */
#define JOIN_LOOKS_AT_THE_WORD false
