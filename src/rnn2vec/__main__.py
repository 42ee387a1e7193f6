"""``python -m rnn2vec``."""

from rnn2vec.cli import main

if __name__ == "__main__":
    main()
