// Following an event stream from Go: what a browser does with EventSource.

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
)

// event is one server-sent event.
type event struct {
	Name string
	Data string
}

// decode reads what an event carries.
func decode[T any](ev event) (data T, err error) {
	err = json.Unmarshal([]byte(ev.Data), &data)
	return data, err
}

// follow yields the events of a page's stream until the loop is left or the stream ends, which is an
// error: the page has no last event.
func follow(ctx context.Context, page string) iter.Seq2[event, error] {
	return func(yield func(event, error) bool) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, page+"/events", nil)
		if err != nil {
			yield(event{}, err)
			return
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			yield(event{}, err)
			return
		}
		defer func() { _ = resp.Body.Close() }()
		if resp.StatusCode != http.StatusOK {
			yield(event{}, fmt.Errorf("%s: %s", req.URL, resp.Status))
			return
		}
		var ev event
		for lines := bufio.NewReader(resp.Body); ; {
			line, err := lines.ReadString('\n')
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			if err != nil {
				yield(event{}, err)
				return
			}
			line = strings.TrimSuffix(line, "\n")
			switch name, value, _ := strings.Cut(line, ": "); {
			case line == "":
				if !yield(ev, nil) {
					return
				}
				ev = event{}
			case name == "event":
				ev.Name = value
			case name == "data":
				ev.Data = value
			}
		}
	}
}
