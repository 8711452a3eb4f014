package elasticsearch

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ezscale/platform/internal/embedded/maven"
)

//go:embed files/pom.xml
var pom string

//go:embed files/jars.sum
var sums string

//go:embed files/Launcher.java
var launcher string

//go:embed files/plugin-descriptor.properties
var descriptor string

func (s *Server) jars() maven.Jars {
	return maven.Jars{Name: "elasticsearch", Version: Version, Pom: pom, Sums: sums, Size: "33 MB", Cache: s.cfg.Cache, Log: s.cfg.Log}
}

// ofTransport tells the jars of the HTTP module: they have a class loader, and so a directory, of their own.
func ofTransport(name string) bool {
	return strings.HasPrefix(name, "netty-") || strings.HasPrefix(name, "transport-netty4-")
}

// arrange links the jars into the home directory the way the server looks for them.
func (s *Server) arrange(jars string) error {
	module := s.path("modules", "transport-netty4")
	for _, dir := range []string{module, s.path("lib"), s.path("config")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make the home directory: %w", err)
		}
	}
	entries, err := os.ReadDir(jars)
	if err != nil {
		return fmt.Errorf("list the jars: %w", err)
	}
	for _, e := range entries {
		dir := s.path("lib")
		if ofTransport(e.Name()) {
			dir = module
		}
		if err := os.Symlink(filepath.Join(jars, e.Name()), filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("link a jar: %w", err)
		}
	}
	return s.write(map[string]string{
		filepath.Join(module, "plugin-descriptor.properties"): descriptor,
		s.path("Launcher.java"):                               launcher,
		s.path("config", "elasticsearch.yml"):                 s.settings(),
	})
}

func (s *Server) write(files map[string]string) error {
	for path, text := range files {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return fmt.Errorf("write settings: %w", err)
		}
	}
	return nil
}
