/* A configuration for the eye: see draw.h. */
#include "conf/draw.h"

#include <string.h>

#include "engine/flow_check.h"
#include "engine/generation.h"

static void
print_quoted(const char *text, FILE *out)
{
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
}

static void
draw_listener(const struct listener_settings *l, size_t n, FILE *out)
{
	fprintf(out, "\t\"listeners.%zu\" [shape=plaintext, label=\"", n);
	if (l->path != NULL)
		print_quoted(l->path, out);
	else
		fprintf(out, strchr(l->address, ':') == NULL ? "%s:%d" : "[%s]:%d", l->address, l->port);
	fprintf(out, "\"];\n\t\"listeners.%zu\" -> \"%s\";\n", n, rend_node_name(l->policy));
}

/* Is this option the tier that the policy does not ask? */
static bool
is_bypassed(const struct rend_node *n, const char *option)
{
	return n->bypassed != 0 && strcmp(n->plugin->policy.tiers[n->bypassed - 1], option) == 0;
}

/* A node, and an edge for each option that names another; dotted: it is bypassed. */
static void
draw_node(const struct rend_node *n, FILE *out)
{
	const struct rend_option *opt = plugin_options(n->plugin);

	fprintf(out, "\t\"%s\" [shape=%s, label=\"%s\\n%s\"%s];\n", n->name,
	    plugin_is_handler(n->plugin) ? "cylinder" : "box", n->name, plugin_name(n->plugin),
	    n->idle ? ", style=dotted" : "");
	for (; opt != NULL && opt->name != NULL; opt++) {
		const struct rend_node *to;

		if (opt->type != REND_HANDLER && opt->type != REND_NODE)
			continue;
		memcpy(&to, (const char *)n->conf + opt->at, sizeof(void *));
		if (to != NULL)
			fprintf(out, "\t\"%s\" -> \"%s\" [label=\"%s\"%s];\n", n->name, to->name, opt->name,
			    is_bypassed(n, opt->name) ? ", style=dotted" : "");
	}
}

void
draw_graph(const struct conf *c, FILE *out)
{
	fprintf(out, "digraph rend {\n\trankdir=LR;\n");
	for (size_t i = 0; i < c->server.listener_count; i++)
		draw_listener(&c->server.listeners[i], i, out);
	for (size_t i = 0; i < c->generation->count; i++)
		draw_node(c->generation->nodes[i], out);
	for (size_t i = 0; i < c->generation->count; i++) {
		const struct rend_node *n = c->generation->nodes[i];

		if (n->walks != NULL)
			flow_print_dot(&n->plugin->policy, n->walks, n->name, out);
	}
	fprintf(out, "}\n");
}

void
draw_paths(const struct conf *c, FILE *out)
{
	for (size_t i = 0; i < c->generation->count; i++) {
		const struct rend_node *n = c->generation->nodes[i];

		if (n->walks == NULL)
			continue;
		fprintf(out, "policies.%s (%s)", n->name, plugin_name(n->plugin));
		if (n->bypassed != 0)
			fprintf(out, ", %s bypassed", n->plugin->policy.tiers[n->bypassed - 1]);
		fputc('\n', out);
		flow_print_paths(&n->plugin->policy, n->walks, out);
	}
}
