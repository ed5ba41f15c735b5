#!/bin/sh
# Stands in for redis-server in the tests of clients: takes Redis's options and starts $PORTCASK_SERVER with ours.
port=6379
bind=127.0.0.1
dir=.
while [ $# -gt 0 ]; do
    case "$1" in
        --port) port=$2; shift 2 ;;
        --bind) bind=$2; shift 2 ;;
        --logfile) dir=$(dirname "$2"); shift 2 ;;
        -v | --version) echo "Redis server v=7.0.15"; exit 0 ;;
        --*) shift 2 ;;
        *) shift ;;
    esac
done
exec "$PORTCASK_SERVER" --dir "$dir/data" --bind "$bind" --port "$port" --sync no
