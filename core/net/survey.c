/* Answers from all workers: see survey.h. */
#include "net/survey.h"

#include <stdio.h>
#include <stdlib.h>

#include "net/conn.h"
#include "net/server.h"

/* A worker that has not answered by then is left out: it hangs in a plugin. */
#define VISIT_NS 2000000000ULL

/* A client that is owed as much as this gets no more until it has read. */
#define OWED_BYTES (64 * 1024)

/* A question to a worker, and its answer. */
struct visit {
	struct rend_call call;
	struct survey *survey; /* home's; NULL: given up */
	struct loop *home, *at;
	survey_visit_f *fn;
	uint64_t cursor;
	bool more;
	struct page page;
};

struct survey {
	struct link link; /* home's surveys with a visit that is out, by due */
	struct conn *conn;
	survey_visit_f *fn;
	int at, behind;	 /* the worker to visit next, or being visited; the one behind the last */
	uint64_t cursor; /* where to go on there */
	uint64_t due;
	struct visit *out; /* to be given up when it is due */
	struct visit *back;
	bool silent; /* the last one did not answer */
};

struct survey *
survey_new(struct conn *c, survey_visit_f *visit, bool everywhere)
{
	struct survey *s = calloc(1, sizeof *s);

	if (s == NULL)
		return NULL;
	s->conn = c;
	s->fn = visit;
	s->at = everywhere ? 0 : c->loop->worker.index;
	s->behind = everywhere ? server_settings(c->loop->server)->workers : s->at + 1;
	return s;
}

static void
give_up(struct survey *s)
{
	if (s->out == NULL)
		return;
	s->out->survey = NULL;
	s->out = NULL;
	link_remove(&s->link);
}

void
survey_free(struct survey **sp)
{
	struct survey *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	give_up(s);
	free(s->back);
	free(s);
}

/* The survey may be gone when this is over. */
static void
tell(struct conn *c)
{
	answers_say(c);
	conn_answered(c);
}

static void
come_home(struct rend_call *call)
{
	struct visit *v = (struct visit *)(void *)call;
	struct survey *s = v->survey;

	if (s == NULL) {
		free(v);
		return;
	}
	s->out = NULL;
	link_remove(&s->link);
	s->back = v;
	tell(s->conn);
}

static void
write_page(struct visit *v)
{
	v->more = v->fn(v->at, &v->page, &v->cursor);
}

static void
visit_here(struct rend_call *call)
{
	struct visit *v = (struct visit *)(void *)call;

	write_page(v);
	call->fn = come_home;
	rend_post(&v->home->worker, call);
}

/* Sends a visit, or makes it at once if it is not far. */
static void
ask(struct survey *s)
{
	struct loop *home = s->conn->loop;
	struct visit *v = malloc(sizeof *v);

	if (v == NULL) {
		s->silent = true;
		return;
	}
	v->call = (struct rend_call){ .fn = visit_here };
	v->survey = s;
	v->home = home;
	v->at = &home->server->loops[s->at];
	v->fn = s->fn;
	v->cursor = s->cursor;
	v->page.used = 0;
	v->page.is_text = false;
	if (v->at == home) {
		write_page(v);
		s->back = v;
		return;
	}
	s->out = v;
	s->due = rend_now() + VISIT_NS;
	list_append(&home->surveys, &s->link);
	rend_post(&v->at->worker, &v->call);
}

static void
say_page(struct conn *c, const struct page *p, const struct asked *asked)
{
	const char *name, *value;

	if (p->is_text) {
		dialog_stat_text(&c->dialog, &c->out, asked, "detailed", p->bytes, p->used);
		return;
	}
	for (size_t at = 0; page_read(p, &at, &name, &value);)
		dialog_stat(&c->dialog, &c->out, asked, name, value);
}

static void
say_silent(struct conn *c, int worker, const struct asked *asked)
{
	char name[32];

	snprintf(name, sizeof name, "worker:%d", worker);
	dialog_stat(&c->dialog, &c->out, asked, name, "silent");
}

static void
go_on(struct survey *s, bool more, uint64_t cursor)
{
	s->cursor = more ? cursor : 0;
	if (!more)
		s->at++;
}

bool
survey_say(struct survey *s, const struct asked *asked)
{
	struct conn *c = s->conn;

	while (c->out.len < OWED_BYTES || s->at == s->behind) {
		if (s->back != NULL) {
			say_page(c, &s->back->page, asked);
			go_on(s, s->back->more, s->back->cursor);
			free(s->back);
			s->back = NULL;
		} else if (s->silent) {
			say_silent(c, s->at, asked);
			s->silent = false;
			go_on(s, false, 0);
		} else if (s->at == s->behind) {
			return true;
		} else if (s->out != NULL) {
			return false;
		} else {
			ask(s);
		}
	}
	return false;
}

void
survey_expire(struct loop *home)
{
	while (survey_due(home) <= rend_now()) {
		struct survey *s = LIST_OBJ(list_first(&home->surveys), struct survey, link);

		give_up(s);
		s->silent = true;
		tell(s->conn);
	}
}

uint64_t
survey_due(struct loop *home)
{
	struct link *k = list_first(&home->surveys);

	return k == NULL ? UINT64_MAX : LIST_OBJ(k, struct survey, link)->due;
}
