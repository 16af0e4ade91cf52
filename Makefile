# A thin front to meson. `sudo make demo` and `sudo make check` do all the
# set-up that they need, on a fresh machine too.
B = build

all: $(B)/build.ninja
	ninja -C $(B) -j2
	ln -sf src/vpsctl/vpsctl $(B)/vpsctl

$(B)/build.ninja:
	tools/deps.sh build
	meson setup $(B)

demo: deps-demo all
	tests/demo/run

check: deps-check all
	tests/run

bench: deps-demo all
	tests/bench/run

check-vm: deps-check deps-vm all
	tests/vm/run

deps-%:
	tools/deps.sh $*

install: all
	meson install -C $(B)

clean:
	rm -rf $(B)

.PHONY: all demo check bench check-vm install clean
