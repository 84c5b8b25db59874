/*
 * The guard of one walk.  It lives in an op of its own, the holder, under which all that the walk asks is asked: an op's memory stays until
 * its last child is gone, so the guard ends when nobody is left who could still write.
 *
 *	client's op ◄── holder ◄── what the walk asks, also what it no longer waits for
 */
#ifndef ENGINE_HELD_H
#define ENGINE_HELD_H

#include "engine/guard.h"
#include "engine/node.h"

/* Begins the guard that the policy's table in this slot has, for an op under which it will be.  OK, BUSY or NO_MEMORY.  On the op's worker. */
enum rend_status held_begin(
    const struct rend_node *policy, unsigned slot, struct rend_op *under, struct rend_op **holder);

/* The walk is over.  What it asked may not be. */
void held_leave(struct rend_op **holder);

const struct rend_guard *held_guard(const struct rend_op *holder);

#endif
