# make demo   set everything up, run the main job, print its result
# make lab    the same set-up, then JupyterLab with the notebooks
# make test   set everything up (a debug build), run every check and test
# make bench  benchmarks beside peers (release build; see tests/bench)

.PHONY: demo lab test bench clean

demo:
	install/setup.sh demo
	.venv/bin/python -m tidemill.examples.cdn

lab:
	install/setup.sh demo
	.venv/bin/tidemill lab notebooks

test:
	install/setup.sh test
	install/check.sh

bench:
	install/setup.sh demo
	install/setup.sh bench
	tests/bench/run.sh

clean:
	rm -rf .venv .venv-test .venv-bench target python/tidemill/_native*.so
