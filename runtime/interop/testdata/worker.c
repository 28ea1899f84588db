// A worker that does what it is told with the C client: one request a line on stdin, one answer a
// line on stdout. worker_test.go describes both. Its argument is the address of the server.

#include <nats/nats.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// How long a watch may be silent, and a listing may take.
#define PATIENCE_MS 60000

static jsCtx *js;
static kvStore *kv;
static kvWatcher *watcher;

static void fail(natsStatus s) {
    const char *text = nats_GetLastError(NULL);
    printf("error %s: %s", natsStatus_GetText(s), text == NULL ? "" : text);
}

static void done(natsStatus s) {
    if (s == NATS_OK)
        printf("ok");
    else
        fail(s);
}

static void written(natsStatus s, uint64_t revision) {
    if (s == NATS_OK)
        printf("ok %llu", (unsigned long long)revision);
    else
        fail(s);
}

static void show(kvEntry *e) {
    const char *op = "unknown";
    switch (kvEntry_Operation(e)) {
    case kvOp_Put: op = "put"; break;
    case kvOp_Delete: op = "delete"; break;
    case kvOp_Purge: op = "purge"; break;
    default: break;
    }
    printf("%s %s %llu x", op, kvEntry_Key(e), (unsigned long long)kvEntry_Revision(e));
    const unsigned char *value = kvEntry_Value(e);
    for (int i = 0; i < kvEntry_ValueLen(e); i++)
        printf("%02x", value[i]);
}

// bytes decodes an x and hexadecimal digits, in place.
static int bytes(char *word) {
    int n = 0;
    unsigned int b;
    for (char *digits = word + 1; sscanf(digits, "%2x", &b) == 1; digits += 2)
        word[n++] = (char)b;
    return n;
}

static void make(const char *bucket, int history) {
    kvConfig cfg;
    kvConfig_Init(&cfg);
    cfg.Bucket = bucket;
    cfg.History = (uint8_t)history;
    done(js_CreateKeyValue(&kv, js, &cfg));
}

static void get(const char *key) {
    kvEntry *e = NULL;
    natsStatus s = kvStore_Get(&e, kv, key);
    if (s == NATS_OK)
        show(e);
    else if (s == NATS_NOT_FOUND)
        printf("none");
    else
        fail(s);
    kvEntry_Destroy(e);
}

static void keys(void) {
    kvWatchOptions opts;
    kvWatchOptions_Init(&opts);
    opts.Timeout = PATIENCE_MS;
    kvKeysList list;
    natsStatus s = kvStore_Keys(&list, kv, &opts);
    done(s);
    if (s != NATS_OK)
        return;
    for (int i = 0; i < list.Count; i++)
        printf(" %s", list.Keys[i]);
    kvKeysList_Destroy(&list);
}

static void history(const char *key) {
    kvWatchOptions opts;
    kvWatchOptions_Init(&opts);
    opts.Timeout = PATIENCE_MS;
    kvEntryList list;
    natsStatus s = kvStore_History(&list, kv, key, &opts);
    done(s);
    if (s != NATS_OK)
        return;
    for (int i = 0; i < list.Count; i++) {
        printf(" ");
        show(list.Entries[i]);
    }
    kvEntryList_Destroy(&list);
}

static void next(void) {
    kvEntry *e = NULL;
    natsStatus s;
    // No entry means that what existed at the start has been delivered.
    do
        s = kvWatcher_Next(&e, watcher, PATIENCE_MS);
    while (s == NATS_OK && e == NULL);
    if (s == NATS_OK)
        show(e);
    else
        fail(s);
    kvEntry_Destroy(e);
}

static void answer(const char *command, char *a, char *b, char *c) {
    uint64_t revision = 0;
    natsStatus s;
    if (strcmp(command, "make") == 0)
        make(a, atoi(b));
    else if (strcmp(command, "open") == 0)
        done(js_KeyValue(&kv, js, a));
    else if (strcmp(command, "get") == 0)
        get(a);
    else if (strcmp(command, "put") == 0) {
        s = kvStore_Put(&revision, kv, a, b, bytes(b));
        written(s, revision);
    } else if (strcmp(command, "create") == 0) {
        s = kvStore_Create(&revision, kv, a, b, bytes(b));
        written(s, revision);
    } else if (strcmp(command, "update") == 0) {
        s = kvStore_Update(&revision, kv, a, b, bytes(b), strtoull(c, NULL, 10));
        written(s, revision);
    } else if (strcmp(command, "delete") == 0)
        done(kvStore_Delete(kv, a));
    else if (strcmp(command, "purge") == 0)
        done(kvStore_Purge(kv, a, NULL));
    else if (strcmp(command, "keys") == 0)
        keys();
    else if (strcmp(command, "history") == 0)
        history(a);
    else if (strcmp(command, "watch") == 0)
        done(kvStore_Watch(&watcher, kv, a, NULL));
    else if (strcmp(command, "next") == 0)
        next();
    else if (strcmp(command, "unwatch") == 0) {
        kvWatcher_Destroy(watcher);
        watcher = NULL;
        done(NATS_OK);
    } else
        printf("error no command %s", command);
}

int main(int argc, char **argv) {
    natsConnection *nc = NULL;
    natsStatus s = natsConnection_ConnectTo(&nc, argc > 1 ? argv[1] : NULL);
    if (s == NATS_OK)
        s = natsConnection_JetStream(&js, nc, NULL);
    if (s != NATS_OK) {
        fprintf(stderr, "%s\n", natsStatus_GetText(s));
        return 1;
    }
    char *line = NULL;
    size_t size = 0;
    ssize_t n;
    while ((n = getline(&line, &size, stdin)) > 0) {
        char *words[4] = {"", "", "", ""};
        int count = 0;
        for (char *w = strtok(line, " \n"); w != NULL && count < 4; w = strtok(NULL, " \n"))
            words[count++] = w;
        answer(words[0], words[1], words[2], words[3]);
        printf("\n");
        fflush(stdout);
    }
    free(line);
    kvWatcher_Destroy(watcher);
    kvStore_Destroy(kv);
    jsCtx_Destroy(js);
    natsConnection_Destroy(nc);
    nats_Close();
    return 0;
}
