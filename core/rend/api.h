/* What marks a function as part of the plugin interface. */
#ifndef REND_API_H
#define REND_API_H

/*
 * The program and every plugin are built with hidden visibility, so a function is reachable across that border only if it says so.
 * A plugin finds the REND_API functions of the program that loaded it; it links against nothing of ours.
 */
#define REND_API __attribute__((visibility("default")))

#ifdef __cplusplus
#define REND_BEGIN extern "C" {
#define REND_END   }
#else
#define REND_BEGIN
#define REND_END
#endif

#endif
