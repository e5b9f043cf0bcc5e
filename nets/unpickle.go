package nets

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// The opcodes of Python's pickle that state dicts need. Python's module pickletools describes them.
const (
	opMark       = '('
	opStop       = '.'
	opBinInt     = 'J' // 4 bytes
	opBinInt1    = 'K' // 1 byte
	opBinInt2    = 'M' // 2 bytes
	opBinPersID  = 'Q'
	opReduce     = 'R'
	opBinUnicode = 'X'
	opBuild      = 'b'
	opGlobal     = 'c'
	opBinGet     = 'h'
	opLongBinGet = 'j'
	opBinPut     = 'q'
	opLongBinPut = 'r'
	opSetItem    = 's'
	opTuple      = 't'
	opSetItems   = 'u'
	opEmptyDict  = '}'
	opEmptyTuple = ')'
	opProtocol   = 0x80
	opTuple1     = 0x85
	opTuple2     = 0x86
	opTuple3     = 0x87
	opFalse      = 0x89
	opLong1      = 0x8a // as many bytes as the next one says
)

// protocol is the version of pickle that torch.save writes.
const protocol = 2

// The globals of state dicts, beside the storages.
const (
	orderedDict   global = "collections.OrderedDict"
	rebuildTensor global = "torch._utils._rebuild_tensor_v2"
	torchModule          = "torch."
)

// Limits that keep the memory in proportion to the pickle: neither a value that is pushed again and again, nor a long tuple that many tensors
// share as their shape, takes much more memory than the file.
const (
	mostValues = 1 << 15 // on the stack
	mostAxes   = 8
)

// The values of the machine, beside int64, string and false.
type (
	global string // the module and the name
	tuple  []any
	dict   struct{ items []item }
	item   struct {
		key   string
		value any
	}
	// storage is an array in a record of its own.
	storage struct {
		kind     string // such as FloatStorage
		key      string // the name of the record
		elements int64
	}
	// tensor is a view of a storage. Offset and strides are in elements.
	tensor struct {
		storage        storage
		offset         int64
		shape, strides []int64
	}
)

// machine is the machine that a pickle programs. It keeps the first error.
type machine struct {
	rest  []byte // of the pickle
	stack []any
	marks []int // heights of the stack
	memo  []any
	err   error
}

// unpickle returns the items of the dict that a pickle makes. It calls nothing, knows no other values than those of a state dict, and takes at most
// about 50 times the memory of the pickle.
func unpickle(pickle []byte) ([]item, error) {
	m := machine{rest: pickle}
	for running := true; running && m.err == nil; {
		position := len(pickle) - len(m.rest)
		running = m.step()
		if m.err != nil {
			return nil, fmt.Errorf("byte %d: %w", position, m.err)
		}
	}
	if len(m.rest) > 0 || len(m.stack) != 1 || len(m.marks) > 0 {
		return nil, fmt.Errorf("it ends with %d values and %d bytes left; it must end with one value", len(m.stack), len(m.rest))
	}
	top, ok := m.stack[0].(*dict)
	if !ok {
		return nil, fmt.Errorf("it holds %s; a state dict is an OrderedDict of tensors", kindOf(m.stack[0]))
	}
	return top.items, nil
}

// step executes one opcode. It returns false after the last one.
func (m *machine) step() bool {
	switch op := byte(m.number(1)); op {
	case opStop:
		return false
	case opProtocol:
		if version := m.number(1); version != protocol {
			m.fail("the pickle has protocol %d; torch.save writes protocol %d", version, protocol)
		}
	case opMark:
		m.marks = append(m.marks, len(m.stack))
	case opBinInt:
		m.push(int64(int32(m.number(4))))
	case opBinInt1:
		m.push(int64(m.number(1)))
	case opBinInt2:
		m.push(int64(m.number(2)))
	case opLong1:
		m.push(m.long())
	case opFalse:
		m.push(false)
	case opBinUnicode:
		m.push(m.text())
	case opGlobal:
		m.push(m.global())
	case opEmptyDict:
		m.push(&dict{})
	case opEmptyTuple:
		m.push(tuple(nil))
	case opTuple1, opTuple2, opTuple3:
		m.push(tuple(slices.Clone(m.pop(int(op) - opTuple1 + 1))))
	case opTuple:
		m.push(tuple(slices.Clone(m.popMark())))
	case opBinPut:
		m.put(m.number(1))
	case opLongBinPut:
		m.put(m.number(4))
	case opBinGet:
		m.get(m.number(1))
	case opLongBinGet:
		m.get(m.number(4))
	case opSetItem:
		m.set(m.pop(2))
	case opSetItems:
		m.set(m.popMark())
	case opBuild:
		m.build()
	case opBinPersID:
		m.push(m.storage())
	case opReduce:
		m.push(m.reduce())
	default:
		m.fail("the opcode 0x%02x (%q) is none that a state dict needs", op, op)
	}
	return true
}

func (m *machine) fail(format string, arguments ...any) {
	if m.err == nil {
		m.err = fmt.Errorf(format, arguments...)
	}
}

// take returns the next bytes of the pickle, or none after an error.
func (m *machine) take(count uint64) []byte {
	if count > uint64(len(m.rest)) {
		m.fail("%d bytes should follow, and %d do", count, len(m.rest))
		return nil
	}
	taken := m.rest[:count]
	m.rest = m.rest[count:]
	return taken
}

// number returns an unsigned integer of up to 8 bytes.
func (m *machine) number(size uint64) uint64 {
	number := uint64(0)
	for i, b := range m.take(size) {
		number |= uint64(b) << (8 * i)
	}
	return number
}

// long returns a signed integer whose length the pickle says.
func (m *machine) long() int64 {
	size := m.number(1)
	if size > 8 {
		m.fail("an integer has %d bytes; at most 8 are read", size)
		return 0
	}
	unused := 64 - 8*size
	return int64(m.number(size)<<unused) >> unused // the highest bit is the sign
}

func (m *machine) text() string {
	text := m.take(m.number(4))
	if !utf8.Valid(text) {
		m.fail("the text %s is not UTF-8", quoted(string(text)))
	}
	return string(text)
}

// global returns one of the globals that a state dict needs, and names any other.
func (m *machine) global() global {
	lines := bytes.SplitN(m.rest, []byte("\n"), 3)
	if len(lines) < 3 {
		m.fail("a global has no name")
		return ""
	}
	m.rest = lines[2]
	g := global(lines[0]) + "." + global(lines[1])
	kind, isTorch := strings.CutPrefix(string(g), torchModule)
	switch {
	case g == orderedDict || g == rebuildTensor || isTorch && arrayTypes[kind] != nil:
		return g
	case isTorch && strings.HasSuffix(kind, "Storage"):
		m.fail("an array is a %s; FloatStorage, LongStorage and ByteStorage are read (float32, int64 and uint8)", quoted(string(g)))
	default:
		m.fail("the global %s is none that a state dict needs", quoted(string(g)))
	}
	return ""
}

func (m *machine) push(value any) {
	if len(m.stack) == mostValues {
		m.fail("there are more than %d values on the stack", mostValues)
		return
	}
	m.stack = append(m.stack, value)
}

// pop returns the last values of the stack, or as many nils after an error. They stay valid until the next push.
func (m *machine) pop(count int) []any {
	floor := 0
	if len(m.marks) > 0 {
		floor = m.marks[len(m.marks)-1]
	}
	height := len(m.stack) - count
	if height < floor {
		m.fail("an opcode needs %d values; there are %d", count, len(m.stack)-floor)
		return make([]any, count)
	}
	values := m.stack[height:]
	m.stack = m.stack[:height]
	return values
}

// popMark returns the values since the last mark.
func (m *machine) popMark() []any {
	if len(m.marks) == 0 {
		m.fail("an opcode needs a mark; there is none")
		return nil
	}
	values := m.pop(len(m.stack) - m.marks[len(m.marks)-1])
	m.marks = m.marks[:len(m.marks)-1]
	return values
}

// top returns the last value of the stack, which stays there.
func (m *machine) top() any {
	value := m.pop(1)[0]
	m.push(value)
	return value
}

// put keeps the last value. Python numbers the values that it keeps from 0.
func (m *machine) put(index uint64) {
	if index != uint64(len(m.memo)) {
		m.fail("the value %d is kept after %d values", index, len(m.memo))
	}
	m.memo = append(m.memo, m.top())
}

func (m *machine) get(index uint64) {
	if index >= uint64(len(m.memo)) {
		m.fail("the value %d is wanted, and %d are kept", index, len(m.memo))
		return
	}
	m.push(m.memo[index])
}

// set adds keys and values, which alternate, to the dict before them.
func (m *machine) set(pairs []any) {
	target, ok := m.top().(*dict)
	if !ok || len(pairs)%2 != 0 {
		m.fail("%d keys and values belong to %s; pairs belong to a dict", len(pairs), kindOf(m.top()))
		return
	}
	for pair := range slices.Chunk(pairs, 2) {
		key, ok := pair[0].(string)
		if !ok {
			m.fail("a key is %s; names are text", kindOf(pair[0]))
		}
		target.items = append(target.items, item{key, pair[1]})
	}
}

// build drops the attributes of the state dict: PyTorch sets _metadata, the versions of its modules, which the arrays do not depend on.
func (m *machine) build() {
	attributes := m.pop(1)[0]
	_, isDict := attributes.(*dict)
	if _, ok := m.top().(*dict); !ok || !isDict {
		m.fail("attributes are %s; a state dict has a dict of them", kindOf(attributes))
	}
}

// storage returns the storage that a persistent identity names.
func (m *machine) storage() storage {
	identity, _ := m.pop(1)[0].(tuple)
	if len(identity) == 5 {
		kind, isGlobal := identity[1].(global)
		key, isText := identity[2].(string)
		_, hasDevice := identity[3].(string)
		elements, isNumber := identity[4].(int64)
		name, isTorch := strings.CutPrefix(string(kind), torchModule)
		if identity[0] == "storage" && isGlobal && isTorch && arrayTypes[name] != nil && isText && hasDevice && isNumber {
			return storage{name, key, elements}
		}
	}
	m.fail(`a persistent identity is no storage: ("storage", type, key, device, elements)`)
	return storage{}
}

// reduce calls a global.
func (m *machine) reduce() any {
	values := m.pop(2)
	callable, _ := values[0].(global)
	arguments, ok := values[1].(tuple)
	switch {
	case callable == orderedDict && ok && len(arguments) == 0:
		return &dict{}
	case callable == rebuildTensor:
		t, err := newTensor(arguments)
		if err != nil {
			m.fail("%w", err)
		}
		return t
	}
	m.fail("%s is called with %d arguments; a state dict calls OrderedDict() and _rebuild_tensor_v2", kindOf(values[0]), len(arguments))
	return nil
}

// newTensor returns the tensor of the arguments of torch._utils._rebuild_tensor_v2.
func newTensor(arguments tuple) (tensor, error) {
	if len(arguments) != 6 {
		return tensor{}, fmt.Errorf("a tensor has %d arguments; it has 6 if it is dense", len(arguments))
	}
	s, isStorage := arguments[0].(storage)
	offset, hasOffset := arguments[1].(int64)
	shape, shapeErr := integers(arguments[2])
	strides, stridesErr := integers(arguments[3])
	_, isDict := arguments[5].(*dict)
	switch {
	case !isStorage || !hasOffset || arguments[4] != false || !isDict:
		return tensor{}, errors.New("the arguments of a tensor are not (storage, offset, shape, strides, False, OrderedDict())")
	case shapeErr != nil:
		return tensor{}, shapeErr
	case stridesErr != nil:
		return tensor{}, stridesErr
	case len(shape) != len(strides):
		return tensor{}, fmt.Errorf("a tensor has %d axes and %d strides", len(shape), len(strides))
	}
	return tensor{s, offset, shape, strides}, nil
}

// integers returns the integers of a tuple, which are lengths or strides.
func integers(value any) ([]int64, error) {
	values, ok := value.(tuple)
	if !ok || len(values) > mostAxes {
		return nil, fmt.Errorf("a shape is %s of %d values; it is a tuple of at most %d", kindOf(value), len(values), mostAxes)
	}
	list := make([]int64, len(values))
	for i, v := range values {
		if list[i], ok = v.(int64); !ok {
			return nil, fmt.Errorf("a shape holds %s; it holds integers", kindOf(v))
		}
	}
	return list, nil
}

// kindOf describes a value in an error.
func kindOf(value any) string {
	switch v := value.(type) {
	case global:
		return string(v)
	case string:
		return "text"
	case int64:
		return "an integer"
	case tuple:
		return "a tuple"
	case *dict:
		return "a dict"
	case storage:
		return "a storage"
	case tensor:
		return "a tensor"
	}
	return "False"
}
