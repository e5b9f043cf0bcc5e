package nets

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"reflect"
	"strings"
	"unicode/utf8"
)

// Entry is one named array of a checkpoint, in row-major order. Data is []float32, []int64 or []uint8.
type Entry struct {
	Name  string
	Shape []int64
	Data  any
}

// Checkpoint is the content of a checkpoint file.
type Checkpoint struct {
	Entries     map[string]Entry
	Attachments map[string][]byte // further files in the archive, by name without the folder, such as settings.json
}

// Attachment is a file that a checkpoint carries beside its arrays. torch.load ignores it.
type Attachment struct {
	Name    string // without a folder, such as settings.json
	Content []byte
}

// The names in the archive of torch.save, in a folder whose name does not matter. The arrays are in the records dataFolder + "0" and so on.
const (
	pickleFile    = "data.pkl"
	byteOrderFile = "byteorder"
	dataFolder    = "data/"
)

const littleEndian = "little" // the content of byteOrderFile

// Limits of a file. A file with holes is as long as it says and takes no space on the disk, so its length alone bounds no memory.
const (
	mostBytes       = 1<<32 - 1 // as in every zip of the first kind
	mostPickleBytes = 1 << 20   // of about 7000 arrays
	mostElements    = 1<<31 - 1 // of an array
)

// arrayTypes are the types of arrays, by the name of PyTorch's storage.
var arrayTypes = map[string]reflect.Type{
	"FloatStorage": reflect.TypeFor[[]float32](),
	"LongStorage":  reflect.TypeFor[[]int64](),
	"ByteStorage":  reflect.TypeFor[[]uint8](),
}

// EncodeCheckpoint returns the bytes of a state dict in the format of torch.save, which torch.load(path, weights_only=True) reads: an
// uncompressed zip of a pickle (protocol 2), the arrays' bytes and the attachments. An error names an array whose shape does not fit its data, a
// name that occurs twice, and a checkpoint that is too large: 4 GB, or 1 MB for names and shapes.
func EncodeCheckpoint(entries []Entry, attachments ...Attachment) ([]byte, error) {
	var p pickler
	p.opcodes(opProtocol, protocol)
	p.dict()
	p.opcodes(opMark)
	var arrays []Attachment
	named := map[string]bool{}
	for i, entry := range entries {
		if named[entry.Name] || !utf8.ValidString(entry.Name) {
			return nil, fmt.Errorf("nets: the array %s has no name of its own in UTF-8", quoted(entry.Name))
		}
		named[entry.Name] = true
		key := fmt.Sprint(i)
		if err := p.entry(entry, key); err != nil {
			return nil, fmt.Errorf("nets: the array %s %w", quoted(entry.Name), err)
		}
		data, err := binary.Append(nil, binary.LittleEndian, entry.Data)
		if err != nil {
			return nil, err
		}
		arrays = append(arrays, Attachment{dataFolder + key, data})
	}
	p.opcodes(opSetItems, opStop)
	if p.Len() > mostPickleBytes {
		return nil, fmt.Errorf("nets: the names and shapes of %d arrays take %d bytes; a checkpoint has room for %d",
			len(entries), p.Len(), mostPickleBytes)
	}

	files := append([]Attachment{{pickleFile, p.Bytes()}, {byteOrderFile, []byte(littleEndian)}}, arrays...)
	files = append(files, Attachment{"version", []byte("3\n")})
	for _, a := range attachments {
		if a.Name == "" || strings.Contains(a.Name, "/") {
			return nil, fmt.Errorf("nets: an attachment is named %s; it needs a name without a folder", quoted(a.Name))
		}
		files = append(files, a)
	}
	return pack(files)
}

// pack returns an uncompressed zip with files in the folder archive.
func pack(files []Attachment) ([]byte, error) {
	var packed bytes.Buffer
	archive := zip.NewWriter(&packed)
	names := map[string]bool{}
	for _, f := range files {
		if names[f.Name] {
			return nil, fmt.Errorf("nets: two files of a checkpoint are named %s; choose another name", quoted(f.Name))
		}
		names[f.Name] = true
		size := uint64(len(f.Content))
		header := zip.FileHeader{Name: "archive/" + f.Name, CRC32: crc32.ChecksumIEEE(f.Content), CompressedSize64: size, UncompressedSize64: size}
		w, err := archive.CreateRaw(&header)
		if err == nil {
			_, err = w.Write(f.Content)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	if packed.Len() > mostBytes {
		return nil, fmt.Errorf("nets: the checkpoint has %d bytes; at most %d are written", packed.Len(), mostBytes)
	}
	return packed.Bytes(), nil
}

// pickler writes the opcodes of a state dict.
type pickler struct{ bytes.Buffer }

func (p *pickler) opcodes(codes ...byte) { p.Write(codes) }

// dict makes an OrderedDict.
func (p *pickler) dict() {
	p.global("collections", "OrderedDict")
	p.opcodes(opEmptyTuple, opReduce)
}

// entry makes a name and the tensor of the record with the given key.
func (p *pickler) entry(entry Entry, key string) error {
	kind := ""
	for name, array := range arrayTypes {
		if array == reflect.TypeOf(entry.Data) {
			kind = name
		}
	}
	if kind == "" {
		return fmt.Errorf("is %T; a checkpoint holds []float32, []int64 and []uint8", entry.Data)
	}
	count, strides, ok := layout(entry.Shape)
	if data := reflect.ValueOf(entry.Data); !ok || count != int64(data.Len()) {
		return fmt.Errorf("has shape %v and %d elements", entry.Shape, data.Len())
	}
	p.text(entry.Name)
	p.global("torch._utils", "_rebuild_tensor_v2")
	p.opcodes(opMark, opMark)
	p.text("storage")
	p.global("torch", kind)
	p.text(key)
	p.text("cpu")
	p.integer(count)
	p.opcodes(opTuple, opBinPersID)
	p.integer(0)
	p.tuple(entry.Shape)
	p.tuple(strides)
	p.opcodes(opFalse) // it requires no gradient
	p.dict()
	p.opcodes(opTuple, opReduce)
	return nil
}

func (p *pickler) global(module, name string) {
	p.opcodes(opGlobal)
	p.WriteString(module + "\n" + name + "\n")
}

func (p *pickler) text(s string) {
	p.opcodes(opBinUnicode)
	p.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(s))))
	p.WriteString(s)
}

func (p *pickler) integer(v int64) {
	p.opcodes(opBinInt)
	p.Write(binary.LittleEndian.AppendUint32(nil, uint32(v)))
}

func (p *pickler) tuple(values []int64) {
	p.opcodes(opMark)
	for _, v := range values {
		p.integer(v)
	}
	p.opcodes(opTuple)
}

// layout returns the number of elements of an array in row-major order, and its strides, as PyTorch counts them where a length is 0. ok is false
// for a shape that no checkpoint holds: negative lengths, more than 8 axes, or 2^31 elements.
func layout(shape []int64) (elements int64, strides []int64, ok bool) {
	if len(shape) > mostAxes {
		return 0, nil, false
	}
	strides = make([]int64, len(shape))
	elements, stride := int64(1), int64(1)
	for axis := len(shape) - 1; axis >= 0; axis-- {
		length := shape[axis]
		if length < 0 || length > mostElements/stride {
			return 0, nil, false
		}
		strides[axis] = stride
		elements *= length
		stride *= max(1, length)
	}
	return elements, strides, true
}
