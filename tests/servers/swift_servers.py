# SPDX-License-Identifier: Apache-2.0
"""Runs servers of Swift that are configured in a folder: swift_servers.py FOLDER NAME...

Swift's own commands read /etc/swift/swift.conf whatever their own file says, log to the machine's syslog, want a
memcached, and each load all of Swift anew. This loads it once, makes the rings that are not there, and becomes a process
for each server, which writes run/NAME.pid and NAME.log.
"""
import configparser
import json
import logging
import os
import sys
import time
from time import monotonic

if __name__ == '__main__':  # before anything of Swift takes it; not again where the pipeline asks for its filter
    real_time, clock_off = time.time, float(os.environ.get('SWIFT_CLOCK', 0))
    time.time = lambda: real_time() + clock_off

from swift.common import utils
from swift.common.ring import RingBuilder
from swift.common.wsgi import run_wsgi

class MemoryCache:
    """What the middleware of the one proxy server asks of a memcached."""

    def __init__(self):
        self.kept = {}

    def get(self, key, **_):
        text, end = self.kept.get(key, (None, 0))
        return json.loads(text) if text and monotonic() < end else None

    def set(self, key, value, time=0, **_):
        self.kept[key] = json.dumps(value), monotonic() + (time or 86400)

    def delete(self, key, **_):
        self.kept.pop(key, None)

def memory_cache(*_, **__):
    """A filter of a pipeline."""
    cache = MemoryCache()

    def make(app):
        def call(env, start_response):
            env['swift.cache'] = cache
            return app(env, start_response)
        return call
    return make

def make_ring(etc, name):
    """A ring of one device, unless it is there."""
    path = os.path.join(etc, name + '.ring.gz')
    if os.path.exists(path):
        return
    conf = configparser.ConfigParser()
    conf.read(os.path.join(etc, name + '.conf'))
    port = conf.getint('DEFAULT', 'bind_port')
    builder = RingBuilder(2, 1, 0)
    builder.add_dev({'region': 1, 'zone': 1, 'ip': '127.0.0.1', 'port': port, 'replication_ip': '127.0.0.1',
                     'replication_port': port, 'device': 'd', 'weight': 1.0, 'meta': ''})
    builder.rebalance()
    builder.get_ring().save(path)

def serve(folder, name):
    """Never returns. The server becomes the leader of a session itself."""
    try:
        log = os.open(os.path.join(folder, name + '.log'), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        run_wsgi(os.path.join(folder, 'etc', name + '.conf'), name + '-server', verbose=True)
    finally:
        os._exit(1)

def main(folder, names):
    etc = os.path.join(folder, 'etc')
    utils.set_swift_dir(etc)
    utils.ThreadSafeSysLogHandler = lambda **_: logging.NullHandler()
    for ring in ('account', 'container', 'object'):
        make_ring(etc, ring)
    for name in names:
        with open(os.path.join(folder, 'run', name + '.pid'), 'w') as pid_file:
            pid = os.fork()
            if pid == 0:
                serve(folder, name)
            print(pid, file=pid_file)

if __name__ == '__main__':
    main(sys.argv[1], sys.argv[2:])
