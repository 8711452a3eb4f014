package postgres

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrNoAccess says that the unprivileged user cannot reach a directory.
var ErrNoAccess = errors.New("the unprivileged user cannot enter")

// runner is who the server runs as: nil credential means as ourselves.
type runner struct {
	credential *syscall.Credential
	pass       bool // through directories closed to the user, by capability
	home       string
}

// newRunner picks the user when we are root and sees that they can reach the directories.
func newRunner(dir, part string) (*runner, error) {
	if os.Geteuid() != 0 {
		return &runner{home: dir}, nil
	}
	credential, err := unprivileged()
	if err != nil {
		return nil, err
	}
	r := &runner{credential: credential, home: dir}
	closed, err := firstClosed(part, credential)
	if err != nil {
		return nil, err
	}
	if closed != "" {
		return nil, r.noAccess(closed, "parts directory")
	}
	if closed, err = firstClosed(dir, credential); err != nil {
		return nil, err
	}
	if closed != "" && !mayPassCapability() {
		return nil, r.noAccess(closed, "data directory")
	}
	r.pass = closed != ""
	return r, nil
}

func (r *runner) noAccess(closed, choose string) error {
	return fmt.Errorf("postgres cannot run as root, and %w %s (uid %d): choose another %s, or start as another user",
		ErrNoAccess, closed, r.credential.Uid, choose)
}

// unprivileged finds a user with an entry in the user database, which initdb insists on.
func unprivileged() (*syscall.Credential, error) {
	var errs []error
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		uid, uidErr := strconv.ParseUint(found.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(found.Gid, 10, 32)
		if err := errors.Join(uidErr, gidErr); err != nil {
			errs = append(errs, err)
			continue
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, fmt.Errorf("postgres cannot run as root and there is no user to run it as: %w", errors.Join(errs...))
}

// firstClosed returns the highest directory on the way to path that the user cannot enter.
func firstClosed(path string, as *syscall.Credential) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("find %s: %w", path, err)
	}
	closed := ""
	for at := path; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err != nil {
			return "", fmt.Errorf("look at %s: %w", at, err)
		}
		if !mayEnter(info, as) {
			closed = at
		}
		if at == filepath.Dir(at) {
			return closed, nil
		}
	}
}

func mayEnter(info fs.FileInfo, as *syscall.Credential) bool {
	mode := info.Mode().Perm()
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		if stat.Uid == as.Uid {
			return mode&0o100 != 0
		}
		if stat.Gid == as.Gid {
			return mode&0o010 != 0
		}
	}
	return mode&0o001 != 0
}

// mayPassCapability tells whether we may hand down the capability to search directories.
func mayPassCapability() bool {
	bounding, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, unix.CAP_DAC_READ_SEARCH, 0, 0, 0)
	return err == nil && bounding == 1
}

// drops tells whether the server runs as somebody else.
func (r *runner) drops() bool { return r.credential != nil }

// own gives a file to the server's user.
func (r *runner) own(path string) error {
	if r.credential == nil {
		return nil
	}
	return os.Chown(path, int(r.credential.Uid), int(r.credential.Gid))
}

// prepare makes a command run as the user with nothing of our environment. It starts in the root directory,
// because the capability works only after the start; the server goes to its data directory by itself.
func (r *runner) prepare(cmd *exec.Cmd) {
	cmd.Dir = "/"
	cmd.Env = []string{"LC_ALL=C", "TZ=UTC", "PATH=/usr/bin:/bin", "HOME=" + r.home}
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if r.credential == nil {
		return
	}
	cmd.SysProcAttr.Credential = r.credential
	if r.pass {
		cmd.SysProcAttr.AmbientCaps = []uintptr{unix.CAP_DAC_READ_SEARCH}
	}
}
