/* A rend that ends a writer with its walk, also when the write is still under way. */
#define HELD_UNTIL_THE_LAST_HAS_LEFT false
