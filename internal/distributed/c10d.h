// The C interface of package distributed to LibTorch's c10d. Functions that can fail return an error message, which the caller frees, or NULL on
// success.
#pragma once
#include <stdint.h>
#include <stdlib.h>
#ifdef __cplusplus
extern "C" {
#endif

// A store of keys that all ranks see.
typedef struct hnn_store hnn_store;
// Opens the store at host:port, or makes it there if serves is 1. All keys get the prefix. Opening and setting end after the timeout.
char* hnn_store_open(const char* host, int port, int serves, const char* prefix, int64_t timeout_ms, hnn_store** store);
void hnn_store_free(hnn_store* store);
char* hnn_store_set(hnn_store* store, const char* key);
// Waits for a key. It blocks the store for this process.
char* hnn_store_wait(hnn_store* store, const char* key, int64_t timeout_ms);
// Waits for the keys CALL/0 to CALL/SIZE−1. After the timeout, absent[rank] is 1 where one is missing.
char* hnn_store_absent(hnn_store* store, const char* call, int size, int64_t timeout_ms, char* absent);

// The connections of a rank with the others.
typedef struct hnn_peers hnn_peers;
// interfaces holds names of network interfaces, separated by commas; without any, the address of the host's name decides.
char* hnn_peers_connect(hnn_store* store, int rank, int size, const char* interfaces, int64_t timeout_ms, hnn_peers** peers);
// Closes the connections, so that the present operations of the others fail.
void hnn_peers_free(hnn_peers* peers);
char* hnn_peers_sum(hnn_peers* peers, float* values, int64_t count);
// Copies the bytes of rank 0 to all ranks.
char* hnn_peers_broadcast(hnn_peers* peers, uint8_t* bytes, int64_t count);
#ifdef __cplusplus
}
#endif
