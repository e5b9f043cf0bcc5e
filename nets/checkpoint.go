package nets

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"reflect"

	"github.com/google/renameio/v2"
	"github.com/sugarme/gotch/pickle"
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
	Settings    []byte            // the attachment settings.json
}

// Attachment is a file that a checkpoint carries beside its arrays. torch.load ignores it.
type Attachment struct {
	Name    string // without a folder, such as settings.json
	Content []byte
}

const settingsFile = "settings.json"

// WriteCheckpoint writes the file that EncodeCheckpoint returns, with settings as the attachment settings.json unless they are nil. It replaces
// the file atomically.
func WriteCheckpoint(path string, entries []Entry, settings []byte) error {
	var attachments []Attachment
	if settings != nil {
		attachments = append(attachments, Attachment{settingsFile, settings})
	}
	content, err := EncodeCheckpoint(entries, attachments...)
	if err != nil {
		return err
	}
	return renameio.WriteFile(path, content, 0o644)
}

// EncodeCheckpoint returns the bytes of a state dict in the format of torch.save, which torch.load(path, weights_only=True) reads: an
// uncompressed zip of a pickle (protocol 2), the arrays' bytes and the attachments.
func EncodeCheckpoint(entries []Entry, attachments ...Attachment) ([]byte, error) {
	var p pickler
	p.WriteString("\x80\x02") // protocol 2
	p.global("collections", "OrderedDict")
	p.WriteString(")R(") // call it, mark the items
	files := []storedFile{{"archive/data.pkl", nil}, {"archive/byteorder", []byte("little")}}
	for i, entry := range entries {
		storage, ok := storages[reflect.TypeOf(entry.Data)]
		if !ok {
			return nil, fmt.Errorf("nets: %s is %T; a checkpoint holds []float32, []int64 and []uint8", entry.Name, entry.Data)
		}
		data, err := binary.Append(nil, binary.LittleEndian, entry.Data)
		if err != nil {
			return nil, err
		}
		files = append(files, storedFile{fmt.Sprintf("archive/data/%d", i), data})
		elements := int64(1)
		strides := make([]int64, len(entry.Shape))
		for axis := len(entry.Shape) - 1; axis >= 0; axis-- {
			strides[axis] = elements
			elements *= entry.Shape[axis]
		}
		if elements == 0 || elements != int64(reflect.ValueOf(entry.Data).Len()) {
			return nil, fmt.Errorf("nets: %s has shape %v and %d bytes of data", entry.Name, entry.Shape, len(data))
		}
		p.text(entry.Name)
		p.global("torch._utils", "_rebuild_tensor_v2")
		p.WriteString("((")
		p.text("storage")
		p.global("torch", storage)
		p.text(fmt.Sprint(i))
		p.text("cpu")
		p.integer(elements)
		p.WriteString("tQ") // a persistent id: the storage
		p.integer(0)
		p.tuple(entry.Shape)
		p.tuple(strides)
		p.WriteString("\x89") // requires_grad: False
		p.global("collections", "OrderedDict")
		p.WriteString(")RtR")
	}
	p.WriteString("u.")
	files[0].content = p.Bytes()
	for _, attachment := range attachments {
		files = append(files, storedFile{"archive/" + attachment.Name, attachment.Content})
	}
	files = append(files, storedFile{"archive/version", []byte("3\n")})

	var packed bytes.Buffer
	archive := zip.NewWriter(&packed)
	for _, f := range files {
		size := uint64(len(f.content))
		header := zip.FileHeader{Name: f.name, CRC32: crc32.ChecksumIEEE(f.content), CompressedSize64: size, UncompressedSize64: size}
		w, err := archive.CreateRaw(&header)
		if err == nil {
			_, err = w.Write(f.content)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}

// storages names PyTorch's storage of each type of array.
var storages = map[reflect.Type]string{
	reflect.TypeFor[[]float32](): "FloatStorage",
	reflect.TypeFor[[]int64]():   "LongStorage",
	reflect.TypeFor[[]uint8]():   "ByteStorage",
}

type storedFile struct {
	name    string
	content []byte
}

// pickler writes the few opcodes of Python's pickle that a state dict needs.
type pickler struct{ bytes.Buffer }

func (p *pickler) global(module, name string) { p.WriteString("c" + module + "\n" + name + "\n") }

func (p *pickler) text(s string) {
	p.WriteByte('X')
	p.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(s))))
	p.WriteString(s)
}

func (p *pickler) integer(v int64) {
	p.WriteByte('J')
	p.Write(binary.LittleEndian.AppendUint32(nil, uint32(v)))
}

func (p *pickler) tuple(values []int64) {
	p.WriteByte('(')
	for _, v := range values {
		p.integer(v)
	}
	p.WriteByte('t')
}

// DecodeCheckpoint is ReadCheckpoint for the content of a file.
func DecodeCheckpoint(content []byte, attachments ...string) (Checkpoint, error) {
	file, err := os.CreateTemp("", "checkpoint")
	if err != nil {
		return Checkpoint{}, err
	}
	defer func() { _ = os.Remove(file.Name()) }()
	_, err = file.Write(content)
	if err = errors.Join(err, file.Close()); err != nil {
		return Checkpoint{}, err
	}
	return ReadCheckpoint(file.Name(), attachments...)
}

// ReadCheckpoint reads a state dict written by torch.save or EncodeCheckpoint, and those of the named attachments that the file holds.
func ReadCheckpoint(path string, attachments ...string) (checkpoint Checkpoint, err error) {
	defer func() {
		// gotch's unpickler can panic on a damaged file.
		if r := recover(); r != nil {
			err = fmt.Errorf("%s is no PyTorch checkpoint: %v", path, r)
		}
	}()
	archive, err := zip.OpenReader(path)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("cannot read the checkpoint %s: %w", path, err)
	}
	defer func() { _ = archive.Close() }()
	checkpoint.Attachments = map[string][]byte{}
	for _, name := range append(attachments, settingsFile) {
		content, err := fs.ReadFile(archive, "archive/"+name)
		if err == nil {
			checkpoint.Attachments[name] = content
		} else if !errors.Is(err, fs.ErrNotExist) {
			return Checkpoint{}, fmt.Errorf("cannot read %s of the checkpoint %s: %w", name, path, err)
		}
	}
	checkpoint.Settings = checkpoint.Attachments[settingsFile]
	object, err := pickle.LoadWithUnpickler(path, pickle.NewUnpickler)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("cannot read the checkpoint %s: %w", path, err)
	}
	dict, ok := object.(*pickle.OrderedDict)
	if !ok {
		return Checkpoint{}, fmt.Errorf("%s holds a %T, and a checkpoint holds an OrderedDict of tensors", path, object)
	}
	checkpoint.Entries = make(map[string]Entry, len(dict.Map))
	for key, item := range dict.Map {
		name, isName := key.(string)
		tensor, isTensor := item.Value.(*pickle.StorageTensor)
		if !isName || !isTensor {
			return Checkpoint{}, fmt.Errorf("%s: entry %v is a %T, and a checkpoint holds tensors", path, key, item.Value)
		}
		expected := int64(1)
		for axis := len(tensor.Size) - 1; axis >= 0; axis-- {
			if tensor.Size[axis] != 1 && tensor.Stride[axis] != expected {
				return Checkpoint{}, fmt.Errorf("%s: %s is not contiguous", path, name)
			}
			expected *= tensor.Size[axis]
		}
		first, last := int(tensor.StorageOffset), int(tensor.StorageOffset+expected)
		data := reflect.ValueOf(tensor.Source.GetData())
		if storages[data.Type()] == "" {
			return Checkpoint{}, fmt.Errorf("%s: %s holds %s; float32, int64 and uint8 are read", path, name, data.Type())
		}
		checkpoint.Entries[name] = Entry{Name: name, Shape: tensor.Size, Data: data.Slice(first, last).Interface()}
	}
	return checkpoint, nil
}
