package distributed

// #cgo CXXFLAGS: -O2 -std=c++17 -I${SRCDIR}/stub
// #cgo LDFLAGS: -ltorch_cpu -lc10
// #include "c10d.h"
import "C"

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
	"unsafe"
)

// store holds keys that all ranks see.
type store struct{ handle *C.hnn_store }

// open connects with the store of an environment, or makes it.
func (e environment) open(serves bool) (s store, err error) {
	host, prefix := C.CString(e.host), C.CString("hnn/"+e.start) // ranks that were started again have other keys than before
	defer C.free(unsafe.Pointer(host))
	defer C.free(unsafe.Pointer(prefix))
	server := C.int(0)
	if serves {
		server = 1
	}
	err = failure(C.hnn_store_open(host, C.int(e.port), server, prefix, milliseconds(e.timeout), &s.handle))
	return s, err
}

func (s store) close() { C.hnn_store_free(s.handle) }

// set sets a key.
func (s store) set(key string) error {
	characters := C.CString(key)
	defer C.free(unsafe.Pointer(characters))
	return failure(C.hnn_store_set(s.handle, characters))
}

// wait blocks the store for this process until a key is set, for up to 24 days, the most that c10d can wait.
func (s store) wait(key string) error {
	characters := C.CString(key)
	defer C.free(unsafe.Pointer(characters))
	return failure(C.hnn_store_wait(s.handle, characters, math.MaxInt32))
}

// answer sets the key by which a rank answers a call.
func (s store) answer(call string, rank int) error { return s.set(call + "/" + strconv.Itoa(rank)) }

// absent returns the ranks that have not answered a call when the time is over.
func (s store) absent(call string, size int, wait time.Duration) (ranks []int, err error) {
	characters, missing := C.CString(call), make([]C.char, size)
	defer C.free(unsafe.Pointer(characters))
	err = failure(C.hnn_store_absent(s.handle, characters, C.int(size), milliseconds(wait), &missing[0]))
	for rank, is := range missing {
		if is != 0 {
			ranks = append(ranks, rank)
		}
	}
	return ranks, err
}

// peers are the connections with the other ranks.
type peers struct{ handle *C.hnn_peers }

// connect connects a rank with all others that have the store.
func (e environment) connect(s store) (p peers, err error) {
	interfaces := C.CString(e.interfaces)
	defer C.free(unsafe.Pointer(interfaces))
	err = failure(C.hnn_peers_connect(s.handle, C.int(e.rank), C.int(e.size), interfaces, milliseconds(e.timeout), &p.handle))
	return p, err
}

// close closes the connections, so that the present operations of the others fail. It may be called again.
func (p *peers) close() {
	C.hnn_peers_free(p.handle)
	p.handle = nil
}

func (p peers) sum(values []float32) error {
	return failure(C.hnn_peers_sum(p.handle, (*C.float)(unsafe.SliceData(values)), C.int64_t(len(values))))
}

// broadcast replaces bytes by those of rank 0.
func (p peers) broadcast(bytes []byte) error {
	return failure(C.hnn_peers_broadcast(p.handle, (*C.uint8_t)(unsafe.SliceData(bytes)), C.int64_t(len(bytes))))
}

func milliseconds(d time.Duration) C.int64_t { return C.int64_t(d.Milliseconds()) }

// failure returns c10d's message, its first line alone: others hold addresses of its code.
func failure(message *C.char) error {
	if message == nil {
		return nil
	}
	defer C.free(unsafe.Pointer(message))
	line, _, _ := strings.Cut(C.GoString(message), "\n")
	return errors.New("c10d: " + line)
}
