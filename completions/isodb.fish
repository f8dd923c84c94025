complete --keep-order --exclusive --command isodb --arguments "(COMPLETE=fish isodb -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token))"
