package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// Download reads a file below /api/v1 into to, however long that takes. It is tried once: what was written already
// cannot be taken back. A file that breaks off is an error.
func (c *Client) Download(ctx context.Context, path string, query url.Values, to io.Writer) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path+"?"+query.Encode(), nil)
	if err != nil {
		return fmt.Errorf("make the request: %w", err)
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	patient := http.Client{Transport: c.http.Transport, CheckRedirect: c.http.CheckRedirect}
	response, err := patient.Do(request)
	if err != nil {
		return fmt.Errorf("reach the platform: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode >= http.StatusMultipleChoices {
		text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes))
		if err != nil {
			return fmt.Errorf("read the platform's answer: %w", err)
		}
		return problemOf(response.StatusCode, text)
	}
	if _, err := io.Copy(to, response.Body); err != nil {
		return fmt.Errorf("the file broke off: %w", err)
	}
	return nil
}
