package nets

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unicode"
)

// record is a file in the zip of a test. Its size is the content's unless it announces another one.
type record struct {
	name      string
	content   []byte
	method    uint16
	announced uint64
}

// zipped returns a zip, with right checksums unless a record announces another size than it has.
func zipped(records ...record) []byte {
	var file bytes.Buffer
	archive := zip.NewWriter(&file)
	for _, r := range records {
		header := zip.FileHeader{Name: r.name, Method: r.method, CompressedSize64: r.announced, UncompressedSize64: r.announced}
		create := archive.CreateHeader
		if r.announced > 0 {
			create = archive.CreateRaw
		}
		w, err := create(&header)
		if err == nil {
			_, err = w.Write(r.content)
		}
		if err != nil {
			panic(err)
		}
	}
	if err := archive.Close(); err != nil {
		panic(err)
	}
	return file.Bytes()
}

// checkpointOf returns a checkpoint with a pickle and an array of 24 bytes.
func checkpointOf(pickle []byte) []byte {
	return zipped(record{name: "archive/data.pkl", content: pickle}, record{name: "archive/data/0", content: make([]byte, 24)})
}

// dictOf returns the pickle of an OrderedDict with the given items.
func dictOf(items ...string) []byte {
	var p pickler
	p.opcodes(opProtocol, protocol)
	p.dict()
	p.opcodes(opMark)
	p.WriteString(strings.Join(items, ""))
	p.opcodes(opSetItems, opStop)
	return p.Bytes()
}

// view describes the tensor of an item. Integers are pickled as they are given.
type view struct{ name, kind, key, elements, offset, shape, strides string }

// good is the tensor that checkpointOf has an array for.
var good = view{"w", "FloatStorage", "0", integer(6), integer(0), integer(2) + integer(3), integer(3) + integer(1)}

func integer(v int64) string {
	return string(append([]byte{opLong1, 8}, binary.LittleEndian.AppendUint64(nil, uint64(v))...))
}

func (v view) item() string {
	var p pickler
	p.text(v.name)
	p.global("torch._utils", "_rebuild_tensor_v2")
	p.opcodes(opMark, opMark)
	p.text("storage")
	p.global("torch", v.kind)
	p.text(v.key)
	p.text("cpu")
	p.WriteString(v.elements)
	p.opcodes(opTuple, opBinPersID)
	p.WriteString(v.offset)
	p.WriteString("(" + v.shape + "t(" + v.strides + "t")
	p.opcodes(opFalse)
	p.dict()
	p.opcodes(opTuple, opReduce)
	return p.String()
}

// with returns the checkpoint of one tensor that differs from the good one.
func with(change func(v *view)) []byte {
	v := good
	change(&v)
	return checkpointOf(dictOf(v.item()))
}

// damaged lists files that are no checkpoints, with words of the error for each.
func damaged() map[string][]byte {
	pickle := dictOf(good.item())
	whole := checkpointOf(pickle)
	dataPickle, data := record{name: "archive/data.pkl", content: pickle}, record{name: "archive/data/0", content: make([]byte, 24)}
	flipped := bytes.Replace(whole, make([]byte, 24), append(make([]byte, 23), 1), 1)
	million := func(code string) []byte {
		return checkpointOf([]byte("\x80\x02" + strings.Repeat(code, 1_000_000/len(code))))
	}
	return map[string][]byte{
		"not a valid zip file":                                {},
		"torch.save of version 1.6 or later":                  []byte("no checkpoint"),
		`"archive/data/0" is damaged: zip: checksum error`:    flipped,
		`its record "archive/data/0" is missing`:              zipped(dataPickle, record{name: "archive/evil/0", content: data.content}),
		`two records are named "archive/data/0"`:              zipped(dataPickle, data, data),
		`"data.pkl" is there twice`:                           zipped(dataPickle, data, record{name: "other/data.pkl"}),
		`no record "data.pkl" in a folder`:                    zipped(data),
		`the byte order is "big"; "little" is read`:           zipped(dataPickle, data, record{name: "archive/byteorder", content: []byte("big")}),
		`"archive/data.pkl" is compressed`:                    zipped(record{name: "archive/data.pkl", method: zip.Deflate, content: make([]byte, 3e7)}),
		`"archive/data/0" has 8589934592 bytes, and the file`: zipped(dataPickle, record{name: "archive/data/0", content: []byte{0}, announced: 8 << 30}),
		`has 23 bytes, and 6 elements of 4 bytes`:             zipped(dataPickle, record{name: "archive/data/0", content: make([]byte, 23)}),
		`has 28 bytes, and 6 elements of 4 bytes`:             zipped(dataPickle, record{name: "archive/data/0", content: make([]byte, 28)}),
		`"data.pkl" has 1048577 bytes; at most 1048576`:       zipped(record{name: "archive/data.pkl", content: make([]byte, 1<<20+1)}),
		"1099511627776 elements of 4 bytes are announced":     with(func(v *view) { v.elements = integer(1 << 40) }),
		"-6 elements of 4 bytes are announced":                with(func(v *view) { v.elements = integer(-6) }),
		"4611686018427387910 elements of 4 bytes":             with(func(v *view) { v.elements = integer(1<<62 + 6) }), // 24 bytes modulo 2^64
		`"w": its shape is [2 3] from element 1 on`:           with(func(v *view) { v.offset = integer(1) }),
		"from element -1 on":                                  with(func(v *view) { v.offset = integer(-1) }),
		"from element 9223372036854775807 on":                 with(func(v *view) { v.offset = integer(1<<63 - 1) }),
		"its shape is [-2 -3]":                                with(func(v *view) { v.shape = integer(-2) + integer(-3) }),
		"its shape is [4294967296 4294967296]":                with(func(v *view) { v.shape = integer(1<<32) + integer(1<<32) }), // 0 modulo 2^64
		"its shape is [1099511627776 0]":                      with(func(v *view) { v.shape = integer(1<<40) + integer(0) }),
		"[1 2]; the shape [2 3] needs [3 1]":                  with(func(v *view) { v.strides = integer(1) + integer(2) }),
		"has 2 axes and 1 strides":                            with(func(v *view) { v.strides = integer(1) }),
		"a tuple of at most 8":                                with(func(v *view) { v.shape = strings.Repeat(integer(1), 9) }),
		`"torch.DoubleStorage"; FloatStorage`:                 with(func(v *view) { v.kind = "DoubleStorage" }),
		`"torch.HalfStorage"; FloatStorage`:                   with(func(v *view) { v.kind = "HalfStorage" }),
		`"torch.save"`:                                        with(func(v *view) { v.kind = "save" }),
		`its record "archive/data/../data/0" is missing`:      with(func(v *view) { v.key = "../data/0" }),
		`"\x1b[2J": its record`:                               with(func(v *view) { v.name, v.key = "\x1b[2J", "1" }),
		`is not UTF-8`:                                        with(func(v *view) { v.name = "\xff" }),
		strings.Repeat("n", 20) + "…":                         with(func(v *view) { v.name, v.key = strings.Repeat("n", 5e5), strings.Repeat("k", 9000) }),
		`two arrays are named "w"`:                            checkpointOf(dictOf(good.item(), good.item())),
		`"v" shares its memory with "w"; save a clone`:        checkpointOf(dictOf(good.item(), strings.Replace(good.item(), "w", "v", 1))),
		`"n" is an integer; a state dict holds tensors`:       checkpointOf(dictOf("X\x01\x00\x00\x00nK\x01")),
		"a key is an integer; names are text":                 checkpointOf(dictOf("K\x01K\x01")),
		"1 keys and values belong to a dict":                  checkpointOf(dictOf("K\x01")),
		"the pickle has protocol 4":                           checkpointOf([]byte("\x80\x04.")),
		"it ends with 0 values":                               checkpointOf([]byte("\x80\x02.")),
		"it holds an integer; a state dict":                   checkpointOf([]byte("\x80\x02K\x01.")),
		"1 values and 1 bytes left":                           checkpointOf([]byte("\x80\x02}.}")),
		"1 bytes should follow, and 0 do":                     checkpointOf([]byte("\x80\x02}")),
		"4294967295 bytes should follow, and 0 do":            checkpointOf([]byte("\x80\x02X\xff\xff\xff\xff")),
		"byte 2: the opcode 0x8e":                             checkpointOf([]byte("\x80\x02\x8e\x00\x00\x00\x00\x00\x01\x00\x00")), // BINBYTES8 of 1 TB
		"the opcode 0x8b":                                     checkpointOf([]byte("\x80\x02\x8b\x00\x00\x08\x00" + strings.Repeat("\x01", 1<<19))),
		"the opcode 0x4e ('N')":                               million("N"),
		"byte 1000002: 1 bytes should follow":                 million("("),
		"byte 1000001: 1 bytes should follow":                 checkpointOf([]byte("\x80\x02}" + strings.Repeat("\x85", 999_998))),
		"an integer has 9 bytes":                              checkpointOf([]byte("\x80\x02\x8a\x09123456789.")),
		`the global "os.system"`:                              checkpointOf([]byte("\x80\x02cos\nsystem\n(X\x04\x00\x00\x00truet" + "R.")),
		"a global has no name":                                checkpointOf([]byte("\x80\x02cos")),
		"is called with 1 arguments":                          checkpointOf([]byte("\x80\x02ccollections\nOrderedDict\n}\x85R.")),
		"more than 32768 values on the stack":                 million("}"),
		"the value 7 is kept after 0 values":                  checkpointOf([]byte("\x80\x02}q\x07.")),
		"the value 0 is wanted, and 0 are kept":               checkpointOf([]byte("\x80\x02h\x00.")),
		"an opcode needs 3 values; there are 2":               checkpointOf([]byte("\x80\x02}(}}\x87.")),
		"an opcode needs a mark":                              checkpointOf([]byte("\x80\x02}t.")),
		"attributes are an integer":                           checkpointOf([]byte("\x80\x02}K\x01b.")),
		"a persistent identity is no storage":                 checkpointOf([]byte("\x80\x02K\x01Q.")),
		"a tensor has 1 arguments":                            checkpointOf([]byte("\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}\x85R.")),
		"are not (storage, offset":                            checkpointOf([]byte("\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(}}}}}}tR.")),
		"a tuple of 30000 values":                             with(func(v *view) { v.shape = strings.Repeat("K\x01", 30_000) }),
	}
}

// decode is DecodeCheckpoint. Its memory stays in proportion to the file, and its error is one short line without control characters.
func decode(t *testing.T, content []byte) (Checkpoint, error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	checkpoint, err := DecodeCheckpoint(content, "settings.json")
	runtime.ReadMemStats(&after)
	if taken, most := after.TotalAlloc-before.TotalAlloc, uint64(50*len(content)+4_000_000); taken > most {
		t.Errorf("a file of %d bytes took %d bytes of memory, more than %d: %v", len(content), taken, most, err)
	}
	if err != nil && (len(err.Error()) > 300 || strings.ContainsFunc(err.Error(), unicode.IsControl)) {
		t.Errorf("the error %q has more than 300 characters or control characters", err)
	}
	return checkpoint, err
}

func TestDamagedCheckpoints(t *testing.T) {
	if _, err := decode(t, checkpointOf(dictOf(good.item()))); err != nil {
		t.Fatalf("the cases change a checkpoint that cannot be read itself: %v", err)
	}
	for want, content := range damaged() {
		if _, err := decode(t, content); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got the error %v, want one with %s", err, want)
		}
	}
}

// Files in the way of a checkpoint neither block nor take memory. The error names the file once.
func TestFilesThatAreNoCheckpoints(t *testing.T) {
	folder := t.TempDir()
	pipe, holes := filepath.Join(folder, "pipe.tar"), filepath.Join(folder, "holes.tar")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(holes, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(holes, 1<<40); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		folder: "it is a folder, a pipe or a device", pipe: "a checkpoint is a regular file", "/dev/zero": "a checkpoint is a regular file",
		filepath.Join(folder, "none.tar"): "no such file", holes: "it has 1099511627776 bytes; at most 4294967295 are read",
	} {
		_, err := ReadCheckpoint(path)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Count(err.Error(), path) != 1 {
			t.Errorf("%s: got the error %v, want one with %q", path, err, want)
		}
	}
}

// torchFiles are the files of testdata that torch.save wrote.
var torchFiles = []string{"testdata/torch-1.6.tar", "testdata/torch-2.15.tar"}

// PyTorch printed these values of torch.nn.Sequential(Linear(2, 3), Tanh(), Linear(3, 1, bias=False)) after torch.manual_seed(0).
func TestFilesOfPyTorch(t *testing.T) {
	want := map[string]Entry{
		"0.weight": {"0.weight", []int64{3, 2}, []float32{-0.005293981, 0.3793229, -0.58198076, -0.5203875, -0.27234524, 0.18961589}},
		"0.bias":   {"0.bias", []int64{3}, []float32{-0.014010034, 0.5606575, -0.06275152}},
		"2.weight": {"2.weight", []int64{1, 3}, []float32{0.152774125, -0.174482793, -0.11348708}},
	}
	for _, path := range torchFiles {
		if got, err := ReadCheckpoint(path); err != nil || !reflect.DeepEqual(got.Entries, want) {
			t.Errorf("%s: got %v, %v, want %v", path, got.Entries, err, want)
		}
	}
}

// smallFiles are whole checkpoints: files of PyTorch and one of EncodeCheckpoint.
func smallFiles(t testing.TB) [][]byte {
	own, err := EncodeCheckpoint(entries, Attachment{"settings.json", []byte(`{"task": "spring"}`)}, Attachment{"other", []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	files := [][]byte{own}
	for _, path := range torchFiles {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, content)
	}
	return files
}

// A file with one flipped bit is refused, or means the same: a date may change. A file that ends early is refused.
func TestFlippedBits(t *testing.T) {
	for i, file := range smallFiles(t) {
		want, err := DecodeCheckpoint(file, "settings.json", "other")
		if err != nil {
			t.Fatal(err)
		}
		for bit := range 8 * len(file) {
			flipped := slices.Clone(file)
			flipped[bit/8] ^= 1 << (bit % 8)
			if got, err := DecodeCheckpoint(flipped, "settings.json", "other"); err == nil && !reflect.DeepEqual(got, want) {
				t.Errorf("file %d: with bit %d of byte %d flipped, it is read as %v", i, bit%8, bit/8, got)
			}
		}
		for length := range file {
			if _, err := DecodeCheckpoint(file[:length]); err == nil {
				t.Errorf("file %d: the first %d of its %d bytes are read as a checkpoint", i, length, len(file))
			}
		}
	}
}

func TestEncodeCheckpointRefusesWhatCannotBeRead(t *testing.T) {
	one := Entry{"a", []int64{1}, []float32{1}}
	for want, err := range map[string]error{
		`"a" has no name of its own`:               encodingError([]Entry{one, one}),
		`"\xff" has no name of its own`:            encodingError([]Entry{{"\xff", []int64{1}, []float32{1}}}),
		`"a" is []float64`:                         encodingError([]Entry{{"a", []int64{1}, []float64{1}}}),
		`"a" has shape [2] and 1 elements`:         encodingError([]Entry{{"a", []int64{2}, []float32{1}}}),
		`"a" has shape [-1 -1] and 1 elements`:     encodingError([]Entry{{"a", []int64{-1, -1}, []float32{1}}}),
		"a checkpoint has room for 1048576":        encodingError([]Entry{{strings.Repeat("a", 1<<20), []int64{1}, []float32{1}}}),
		`two files of a checkpoint are named "x"`:  encodingError(nil, Attachment{Name: "x"}, Attachment{Name: "x"}),
		`are named "data.pkl"`:                     encodingError(nil, Attachment{Name: "data.pkl"}),
		`named "data/0"; it needs a name without `: encodingError(nil, Attachment{Name: "data/0"}),
		`named ""; it needs a name`:                encodingError(nil, Attachment{}),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got the error %v, want one with %s", err, want)
		}
	}
}

func encodingError(entries []Entry, attachments ...Attachment) error {
	_, err := EncodeCheckpoint(entries, attachments...)
	return err
}

// Whatever is read can be written again and read back, and nothing takes much memory. Each input stands for a file, and for the pickle of a
// file, whose checksum the fuzzer would never find. With -fuzzminimizetime 1x it tries 5000 inputs per second; otherwise it spends minutes on one.
func FuzzReadCheckpoint(f *testing.F) {
	for _, content := range smallFiles(f) {
		f.Add(content)
	}
	f.Add(dictOf(good.item()))
	f.Add(dictOf())
	for _, content := range damaged() {
		if len(content) < 4000 {
			f.Add(content)
			f.Add(pickleIn(content))
		}
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		for _, file := range [][]byte{content, checkpointOf(content)} {
			checkpoint, err := decode(t, file)
			if err != nil {
				continue
			}
			written := encode(t, checkpoint)
			again, err := decode(t, written)
			if err != nil || !bytes.Equal(encode(t, again), written) {
				t.Errorf("%v is read back as %v: %v", checkpoint, again, err)
			}
		}
	})
}

// pickleIn returns the pickle of a checkpoint, or nothing.
func pickleIn(content []byte) []byte {
	_, rest, _ := bytes.Cut(content, []byte("archive/data.pkl"))
	pickle, _, _ := bytes.Cut(rest, []byte("PK"))
	return pickle
}

// encode returns the file of a checkpoint, with its arrays in the order of their names.
func encode(t *testing.T, c Checkpoint) []byte {
	list := slices.SortedFunc(maps.Values(c.Entries), func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	var attachments []Attachment
	for name, content := range c.Attachments {
		attachments = append(attachments, Attachment{name, content})
	}
	content, err := EncodeCheckpoint(list, attachments...)
	if err != nil {
		t.Fatal(fmt.Errorf("a checkpoint that was read cannot be written: %w", err))
	}
	return content
}
