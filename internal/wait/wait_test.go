package wait

import (
	"context"
	"errors"
	"testing"
)

func TestFor(t *testing.T) {
	want := errors.New("of the computation")
	if err := For(t.Context(), func() error { return want }); err != want {
		t.Errorf("the error is %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	forever := make(chan error)
	if err := For(ctx, func() error { stop(); return <-forever }); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
}
