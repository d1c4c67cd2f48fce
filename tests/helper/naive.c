/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * naive: a textbook echo server, to prove that the tests can fail.
 *
 * The read callback moves the input to the output, the event callback frees the bufferevent on EOF
 * or error, and each connection writes a line on standard error. Most people would write it like
 * this, and it passes every small test. It prints the same ready lines as the real server and
 * ignores every option except -l, so that the same tests can run against it (HACKING.md lists those
 * that it fails).
 */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <signal.h>

#include "wire.h"

static void on_readable(struct bufferevent *bev, void *arg)
{
    (void)arg;
    bufferevent_write_buffer(bev, bufferevent_get_input(bev));
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    (void)arg;
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) {
        fprintf(stderr, "connection %d closed\n", (int)bufferevent_getfd(bev));
        bufferevent_free(bev);
    }
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from,
                      int len, void *arg)
{
    struct bufferevent *bev =
        bufferevent_socket_new(evconnlistener_get_base(listener), fd, BEV_OPT_CLOSE_ON_FREE);

    (void)from, (void)len, (void)arg;
    if (bev == NULL) {
        close(fd);
        return;
    }
    fprintf(stderr, "connection %d accepted\n", (int)fd);
    bufferevent_setcb(bev, on_readable, NULL, on_event, NULL);
    bufferevent_enable(bev, EV_READ | EV_WRITE);
}

/* "An error callback is good enough": it does not pause, so after a lasting error accept(2) is
 * called again at once. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    (void)listener, (void)arg;
}

static void on_stop(evutil_socket_t signal, short what, void *base)
{
    (void)signal, (void)what;
    event_base_loopbreak(base);
}

static void print_listening(const char *endpoint, evutil_socket_t fd)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof sa;
    char host[64], port[16];

    if (strncmp(endpoint, "unix:", 5) == 0) {
        printf("listening %s\n", endpoint);
        return;
    }
    getsockname(fd, (struct sockaddr *)&sa, &len);
    getnameinfo((struct sockaddr *)&sa, len, host, sizeof host, port, sizeof port,
                NI_NUMERICHOST | NI_NUMERICSERV);
    printf(strchr(host, ':') ? "listening tcp://[%s]:%s\n" : "listening tcp://%s:%s\n", host, port);
}

static struct evconnlistener *listen_on(struct event_base *base, char *endpoint)
{
    struct wire_address addr;
    struct evconnlistener *listener;

    endpoint[strcspn(endpoint, ",")] = '\0';
    if (wire_address(endpoint, &addr) != 0)
        return NULL;
    listener = evconnlistener_new_bind(base, on_accept, NULL,
                                       LEV_OPT_CLOSE_ON_FREE |
                                           (addr.sa.ss_family == AF_UNIX ? 0 : LEV_OPT_REUSEABLE),
                                       -1, (struct sockaddr *)&addr.sa, (int)addr.len);
    if (listener != NULL) {
        evconnlistener_set_error_cb(listener, on_accept_error);
        print_listening(endpoint, evconnlistener_get_fd(listener));
    }
    return listener;
}

int main(int argc, char **argv)
{
    struct event_base *base = event_base_new();
    struct event *stop = evsignal_new(base, SIGTERM, on_stop, base);
    char fallback[] = "tcp://127.0.0.1:7007";
    int count = 0;

    signal(SIGPIPE, SIG_IGN);
    event_add(stop, NULL);
    for (int i = 1; i < argc; i++) {
        char *endpoint = NULL;

        if ((strcmp(argv[i], "-l") == 0 || strcmp(argv[i], "--listen") == 0) && i + 1 < argc)
            endpoint = argv[++i];
        if (endpoint != NULL && listen_on(base, endpoint) == NULL) {
            perror(endpoint);
            return 3;
        }
        count += endpoint != NULL;
    }
    if (count == 0 && listen_on(base, fallback) == NULL)
        return 3;
    puts("ready");
    fflush(stdout);
    event_base_dispatch(base);
    return 0;
}
