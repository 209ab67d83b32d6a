package enginetest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os/exec"
	"strings"

	"github.com/daisy-mcast/daisy-mcast/pkg/engine"
)

// apiVersion is what both engines speak.
const apiVersion = "1.41"

func (f *Fake) handler() http.Handler {
	m := http.NewServeMux()
	v := "/v" + apiVersion
	m.HandleFunc("/_ping", f.ping)
	m.HandleFunc("GET "+v+"/version", func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, f.recorded.Version) })
	m.HandleFunc("GET "+v+"/info", func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, f.info()) })
	m.HandleFunc("POST "+v+"/images/load", f.load)
	m.HandleFunc("POST "+v+"/images/create", f.pull)
	if f.isPodman() {
		m.HandleFunc("POST /v4.0.0/libpod/images/pull", f.pullPodman)
	}
	m.HandleFunc("GET "+v+"/images/json", f.listImages)
	m.HandleFunc("GET "+v+"/images/get", f.save)
	m.HandleFunc("GET "+v+"/images/{ref...}", f.inspectImage)
	m.HandleFunc("DELETE "+v+"/images/{ref...}", f.removeImage)
	m.HandleFunc("POST "+v+"/containers/create", f.create)
	m.HandleFunc("GET "+v+"/containers/{name}/json", f.with(f.inspect))
	m.HandleFunc("POST "+v+"/containers/{name}/start", f.with(f.start))
	m.HandleFunc("POST "+v+"/containers/{name}/stop", f.with(f.stop))
	m.HandleFunc("POST "+v+"/containers/{name}/rename", f.with(f.rename))
	m.HandleFunc("DELETE "+v+"/containers/{name}", f.with(f.remove))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		hung := f.hung
		refusal := f.refusals[r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]]
		f.mu.Unlock()
		if hung != nil {
			select {
			case <-hung:
			case <-r.Context().Done():
				return
			}
		}
		if refusal != "" {
			f.fault(w, http.StatusInternalServerError, refusal)
			return
		}
		m.ServeHTTP(w, r)
	})
}

// info is what was recorded, with this engine's store in it. With containerd's,
// Docker says so in the driver's status (moby's daemon/containerd/service.go).
func (f *Fake) info() map[string]any {
	body := maps.Clone(f.recorded.Info)
	if f.cfg.RootDir != "" {
		body["DockerRootDir"] = f.cfg.RootDir
	}
	if f.cfg.Containerd {
		body["Driver"], body["DriverStatus"] = "overlayfs", [][2]string{{"driver-type", "io.containerd.snapshotter.v1"}}
	}
	return body
}

func (f *Fake) isPodman() bool { return f.cfg.Kind == engine.Podman }

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// fault answers an error. Podman repeats the innermost cause.
func (f *Fake) fault(w http.ResponseWriter, status int, message string) {
	body := map[string]any{"message": message}
	if f.isPodman() {
		body["cause"] = message[strings.LastIndex(message, ": ")+1:]
		body["response"] = status
	}
	answer(w, status, body)
}

func (f *Fake) ping(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Api-Version", apiVersion)
	w.Header().Set("Ostype", "linux")
	if f.isPodman() {
		w.Header().Set("Libpod-Api-Version", "4.3.1")
	}
	_, _ = w.Write([]byte("OK"))
}

// restartAlways is the policy of a container that the engine starts again.
const restartAlways = "always"

// A createRequest is what is read of a request for a container.
type createRequest struct {
	Image, User string
	Cmd         []string
	Labels      map[string]string
	HostConfig  struct {
		RestartPolicy struct{ Name string }
		Mounts        []engine.Mount
	}
}

func (f *Fake) create(w http.ResponseWriter, r *http.Request) {
	var body createRequest
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		f.fault(w, http.StatusBadRequest, err.Error())
		return
	}
	name := r.URL.Query().Get("name")
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.images[body.Image]; !ok {
		f.fault(w, http.StatusNotFound, "No such image: "+body.Image)
		return
	}
	if c := f.find(name); c != nil {
		f.nameTaken(w, name, c.id)
		return
	}
	f.made++
	c := &fakeContainer{id: fmt.Sprintf("%064x", f.made), spec: engine.Container{
		Name: name, Image: body.Image, Args: body.Cmd, User: body.User, Labels: body.Labels,
		Mounts: body.HostConfig.Mounts, Restart: body.HostConfig.RestartPolicy.Name == restartAlways,
	}}
	f.containers = append(f.containers, c)
	answer(w, http.StatusCreated, map[string]any{"Id": c.id, "Warnings": []string{}})
}

func (f *Fake) nameTaken(w http.ResponseWriter, name, id string) {
	if f.isPodman() {
		f.fault(w, http.StatusInternalServerError, fmt.Sprintf("container create: creating container storage: the container name %q "+
			"is already in use by %s. You have to remove that container to be able to reuse that name: that name is already in use", name, id))
		return
	}
	f.fault(w, http.StatusConflict, fmt.Sprintf("Conflict. The container name %q is already in use by container %q. "+
		"You have to remove (or rename) that container to be able to reuse that name.", "/"+name, id))
}

// find returns a container by name, ID or the beginning of one, as the engines
// do; nil when there is none. It is called with mu held.
func (f *Fake) find(name string) *fakeContainer {
	for _, c := range f.containers {
		if c.spec.Name == name || name != "" && strings.HasPrefix(c.id, name) {
			return c
		}
	}
	return nil
}

type containerHandler func(w http.ResponseWriter, r *http.Request, c *fakeContainer)

func (f *Fake) with(h containerHandler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("name")
		f.mu.Lock()
		c := f.find(name)
		f.mu.Unlock()
		switch {
		case c != nil:
			h(w, r, c)
		case f.isPodman():
			f.fault(w, http.StatusNotFound, fmt.Sprintf("no container with name or ID %q found: no such container", name))
		default:
			f.fault(w, http.StatusNotFound, "No such container: "+name)
		}
	}
}

// inspect answers what was recorded with this container's facts in it.
func (f *Fake) inspect(w http.ResponseWriter, _ *http.Request, c *fakeContainer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	body := maps.Clone(f.recorded.Container)
	set := func(key string, values map[string]any) {
		inner, _ := body[key].(map[string]any)
		inner = maps.Clone(inner)
		maps.Copy(inner, values)
		body[key] = inner
	}
	status := "exited"
	if c.pid != 0 {
		status = "running"
	}
	if c.restarting {
		status = "restarting"
	}
	maps.Copy(body, map[string]any{
		"Id": c.id, "Name": "/" + c.spec.Name, "Image": f.images[c.spec.Image].id, "RestartCount": c.restarts,
	})
	// Docker calls one that waits to be started again running as well.
	set("State", map[string]any{
		"Status": status, "Running": c.pid != 0 || c.restarting, "Restarting": c.restarting, "Pid": c.pid, "ExitCode": c.exit,
	})
	set("Config", map[string]any{"Cmd": c.spec.Args, "Image": c.spec.Image, "Labels": c.spec.Labels, "User": c.spec.User})
	policy := "no"
	if c.spec.Restart {
		policy = restartAlways
	}
	set("HostConfig", map[string]any{"RestartPolicy": map[string]any{"Name": policy}})
	answer(w, http.StatusOK, body)
}

func (f *Fake) start(w http.ResponseWriter, _ *http.Request, c *fakeContainer) {
	var command func(engine.Container) *exec.Cmd
	if f.cfg.Start != nil {
		command = f.cfg.Start
	}
	changed(w, c.start(command))
}

func (f *Fake) stop(w http.ResponseWriter, _ *http.Request, c *fakeContainer) { changed(w, c.stop()) }

// changed answers 304 when there was nothing to do.
func changed(w http.ResponseWriter, did bool) {
	if did {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.WriteHeader(http.StatusNotModified)
}

func (f *Fake) rename(w http.ResponseWriter, r *http.Request, c *fakeContainer) {
	to := r.URL.Query().Get("name")
	f.mu.Lock()
	defer f.mu.Unlock()
	if other := f.find(to); other != nil {
		f.nameTaken(w, to, other.id)
		return
	}
	c.spec.Name = to
	w.WriteHeader(http.StatusNoContent)
}

func (f *Fake) remove(w http.ResponseWriter, _ *http.Request, c *fakeContainer) {
	c.stop()
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, have := range f.containers {
		if have == c {
			f.containers = append(f.containers[:i:i], f.containers[i+1:]...)
			break
		}
	}
	w.WriteHeader(http.StatusNoContent)
}
