package clickhouse

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"unsafe"

	"github.com/ebitengine/purego"
)

// library is libchdb's C interface, bound without cgo. Lengths are explicit, so nothing ends at a zero byte.
type library struct {
	setSignalHandlers func(enabled int32)
	connect           func(argc int32, argv unsafe.Pointer) uintptr
	close             func(connection uintptr)
	query             func(connection uintptr, sql unsafe.Pointer, sqlLen uintptr, format unsafe.Pointer, formatLen uintptr,
		names, nameLens, values, valueLens unsafe.Pointer, count uintptr) uintptr
	insert func(connection uintptr, sql unsafe.Pointer, sqlLen uintptr, format unsafe.Pointer, formatLen uintptr,
		names, nameLens, values, valueLens unsafe.Pointer, count uintptr) uintptr
	insertAppend  func(stream uintptr, data unsafe.Pointer, length uintptr) int32
	insertDone    func(stream uintptr) uintptr
	insertCancel  func(stream uintptr)
	insertError   func(stream uintptr) string
	insertDestroy func(stream uintptr)
	resultBuffer  func(result uintptr) unsafe.Pointer
	resultLength  func(result uintptr) uintptr
	resultError   func(result uintptr) string
	resultRead    func(result uintptr) uint64
	resultWritten func(result uintptr) uint64
	resultDestroy func(result uintptr)
}

// load opens the library and tells it to leave the process's signals alone.
func load(path string) (*library, error) {
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("load the ClickHouse engine: %w", err)
	}
	l := &library{}
	var errs []error
	for symbol, to := range map[string]any{
		"chdb_set_signal_handlers_enabled": &l.setSignalHandlers,
		"chdb_connect":                     &l.connect,
		"chdb_close_conn":                  &l.close,
		"chdb_query_with_params_n":         &l.query,
		"chdb_stream_insert_with_params_n": &l.insert,
		"chdb_stream_append":               &l.insertAppend,
		"chdb_stream_done":                 &l.insertDone,
		"chdb_stream_cancel_insert":        &l.insertCancel,
		"chdb_stream_insert_error":         &l.insertError,
		"chdb_destroy_insert_stream":       &l.insertDestroy,
		"chdb_result_buffer":               &l.resultBuffer,
		"chdb_result_length":               &l.resultLength,
		"chdb_result_error":                &l.resultError,
		"chdb_result_storage_rows_read":    &l.resultRead,
		"chdb_result_rows_written":         &l.resultWritten,
		"chdb_destroy_query_result":        &l.resultDestroy,
	} {
		address, err := purego.Dlsym(handle, symbol)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		purego.RegisterFunc(to, address)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("bind the ClickHouse engine: %w", err)
	}
	keepSignals(func() { l.setSignalHandlers(0) })
	return l, nil
}

// open makes a connection; the caller closes it.
func (l *library) open(args []string) (uintptr, error) {
	var pin runtime.Pinner
	defer pin.Unpin()
	argv := make([]*byte, len(args)+1) // ends with a null
	for i, a := range args {
		argv[i] = &append([]byte(a), 0)[0]
		pin.Pin(argv[i])
	}
	pin.Pin(&argv[0])
	var connection uintptr
	keepSignals(func() { connection = l.connect(int32(len(args)), unsafe.Pointer(&argv[0])) })
	if connection == 0 {
		return 0, errors.New("the ClickHouse engine gives no connection")
	}
	return connection, nil
}

// handle is what the other calls take: what the connection points to.
func handle(connection uintptr) uintptr {
	return **(**uintptr)(unsafe.Pointer(&connection))
}

// parameters are the C arrays of a statement's named values.
type parameters struct {
	names, values       []unsafe.Pointer
	nameLens, valueLens []uintptr
	pin                 runtime.Pinner
}

func newParameters(values map[string]string) *parameters {
	p := &parameters{}
	for name, value := range values {
		p.names, p.nameLens = append(p.names, p.pointer(name)), append(p.nameLens, uintptr(len(name)))
		p.values, p.valueLens = append(p.values, p.pointer(value)), append(p.valueLens, uintptr(len(value)))
	}
	return p
}

func (p *parameters) pointer(s string) unsafe.Pointer {
	b := append([]byte(s), 0)
	p.pin.Pin(&b[0])
	return unsafe.Pointer(&b[0])
}

// call runs a bound function that takes a statement, a format and parameters.
func call(f func(uintptr, unsafe.Pointer, uintptr, unsafe.Pointer, uintptr, unsafe.Pointer, unsafe.Pointer,
	unsafe.Pointer, unsafe.Pointer, uintptr) uintptr, connection uintptr, sql, format string, values map[string]string) uintptr {
	p := newParameters(values)
	defer p.pin.Unpin()
	result := f(handle(connection), p.pointer(sql), uintptr(len(sql)), p.pointer(format), uintptr(len(format)),
		first(p.names), first(p.nameLens), first(p.values), first(p.valueLens), uintptr(len(p.names)))
	runtime.KeepAlive(p)
	return result
}

func first[T any](s []T) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(s)) }

// take copies a result out of the engine's memory and gives it back.
func (l *library) take(result uintptr) (outcome, error) {
	defer l.resultDestroy(result)
	if said := l.resultError(result); said != "" {
		return outcome{}, newException(said)
	}
	o := outcome{readRows: l.resultRead(result), writtenRows: l.resultWritten(result)}
	length := l.resultLength(result)
	if length > maxResultBytes {
		return outcome{}, refuse(codeResultTooLarge, "a result of more than %d bytes. (TOO_MANY_ROWS_OR_BYTES)", maxResultBytes)
	}
	if length > 0 {
		o.data = bytes.Clone(unsafe.Slice((*byte)(l.resultBuffer(result)), int(length)))
	}
	return o, nil
}

// keepSignals runs f, which sets signal handlers back to their defaults, and restores those of the Go runtime.
func keepSignals(f func()) {
	const (
		signals  = 64
		setBytes = 8 // of the kernel's signal set
	)
	type action [8]uint64 // larger than the kernel's struct on every architecture
	var before [signals + 1]action
	for s := uintptr(1); s <= signals; s++ {
		_, _, _ = syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, s, 0, uintptr(unsafe.Pointer(&before[s])), setBytes, 0, 0)
	}
	f()
	for s := uintptr(1); s <= signals; s++ {
		_, _, _ = syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, s, uintptr(unsafe.Pointer(&before[s])), 0, setBytes, 0, 0)
	}
}
