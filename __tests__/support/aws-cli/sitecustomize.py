# Python loads this before the `aws` that it was started for: it stays, and runs command after command, where that would
# load the AWS CLI for each of them. A command is a line of JSON, as is what came of it.
import json
import os
import sys
import tempfile


def run(args):
    """Runs the command in a process of its own, so that none finds what another left."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if child == 0:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            sys.argv = ["aws", *args]
            try:
                code = awscli.clidriver.main()
            except SystemExit as end:
                code = end.code
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        _, status = os.waitpid(child, 0)
        out.seek(0)
        err.seek(0)
        return {
            "code": os.waitstatus_to_exitcode(status),
            "stdout": out.read().decode(),
            "stderr": err.read().decode(),
        }


try:
    import awscli.clidriver

    # Loads what every command does.
    awscli.clidriver.create_clidriver()
except ImportError:
    pass
else:
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)
    os._exit(0)
