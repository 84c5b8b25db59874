/* Plugins for people: see describe.h. */
#include "conf/describe.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "conf/conf.h"
#include "conf/options.h"
#include "conf/rehearse.h"
#include "engine/plugin_load.h"

/* A | would end the column of a table. */
static void
print_column(const char *text, FILE *out)
{
	for (; *text != '\0'; text++) {
		if (*text == '|')
			fputs("\\|", out);
		else
			fputc(*text, out);
	}
}

static void
print_code(const char *text, FILE *out)
{
	fputc('`', out);
	print_column(text, out);
	fputc('`', out);
}

static void
print_fallback(const struct rend_option *opt, FILE *out)
{
	if (opt->fallback == NULL)
		fputs("must be given", out);
	else if (*opt->fallback == '\0')
		fputs("none", out);
	else
		print_code(opt->fallback, out);
}

static void
print_table(const struct rend_option *options, FILE *out)
{
	if (options == NULL || options->name == NULL) {
		fputs("It has no options.\n", out);
		return;
	}
	fputs("| option | is a | default | range | |\n|---|---|---|---|---|\n", out);
	for (const struct rend_option *opt = options; opt->name != NULL; opt++) {
		fprintf(out, "| `%s` | %s | ", opt->name, options_type_name(opt->type));
		print_fallback(opt, out);
		fputs(" | ", out);
		if (opt->range != NULL)
			print_code(opt->range, out);
		fputs(" | ", out);
		print_column(opt->doc, out);
		fputs(" |\n", out);
	}
}

/* What a person may tell a store of it. */
static void
print_commands(const struct rend_command *c, FILE *out)
{
	if (c == NULL || c->name == NULL)
		return;
	fputs("\n| command | |\n|---|---|\n", out);
	for (; c->name != NULL; c++) {
		fprintf(out, "| `%s", c->name);
		if (c->args != NULL) {
			fputc(' ', out);
			print_column(c->args, out);
		}
		fputs("` | ", out);
		print_column(c->doc, out);
		fputs(" |\n", out);
	}
}

static const char *
kind_of(const struct plugin *p)
{
	return plugin_is_handler(p) ? "handler" : "policy";
}

struct loaded {
	const char *name, *dir;
	struct plugin *plugin;
	struct rend_error err;
};

static void
load(void *arg)
{
	struct loaded *l = arg;
	char who[300];

	snprintf(who, sizeof who, "plugin %.256s", l->name);
	rehearse_doing(who, "while it was loaded");
	l->plugin = plugin_load(l->name, l->dir, &l->err);
}

static struct plugin *
load_carefully(const char *name, const char *dir, struct rend_error *err)
{
	struct loaded l = { .name = name, .dir = dir };

	if (rehearse(load, &l, CONF_REHEARSAL, err) != 0)
		return NULL;
	load(&l);
	*err = l.err;
	return l.plugin;
}

int
describe_plugin(const char *name, const char *plugin_dir, FILE *out, struct rend_error *err)
{
	const struct plugin *p;

	for (const struct conf_table *t = conf_tables; t->name != NULL; t++)
		if (strcmp(t->name, name) == 0) {
			fprintf(out, "%s\n\n", t->doc);
			print_table(t->options, out);
			return 0;
		}
	p = load_carefully(name, plugin_dir, err);
	if (p == NULL)
		return -1;
	fprintf(out, "%s, a %s: %s\n\n", plugin_name(p), kind_of(p), plugin_doc(p));
	print_table(plugin_options(p), out);
	print_commands(p->handler.commands, out);
	return 0;
}

static int
is_so(const struct dirent *d)
{
	size_t len = strlen(d->d_name);

	return len > 3 && d->d_name[0] != '.' && strcmp(d->d_name + len - 3, ".so") == 0;
}

static void
describe_file(const char *path, FILE *out)
{
	struct rend_error err = { 0 };
	const struct plugin *p = load_carefully(path, NULL, &err);

	if (p == NULL)
		fprintf(out, "%s  not usable: %s\n", path, err.text);
	else
		fprintf(out, "%s  %s %s %s  abi %u.%u  ok\n", path, kind_of(p), plugin_name(p),
		    p->self->version == NULL ? "(no version)" : p->self->version, p->self->abi_major,
		    p->self->abi_minor);
}

int
describe_all(const char *plugin_dir, FILE *out, struct rend_error *err)
{
	char *dir = realpath(plugin_dir, NULL);
	struct dirent **files;
	int count = dir == NULL ? -1 : scandir(dir, &files, is_so, alphasort);

	if (count < 0) {
		error_set(err, EX_NOINPUT, "cannot list %s: %s", plugin_dir, strerror(errno));
		free(dir);
		return -1;
	}
	for (int i = 0; i < count; i++) {
		char path[4096];

		if (snprintf(path, sizeof path, "%s/%s", dir, files[i]->d_name) < (int)sizeof path)
			describe_file(path, out);
		free(files[i]);
	}
	free(files);
	free(dir);
	return 0;
}
