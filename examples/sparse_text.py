"""Spam or not: a network on TF-IDF features, sparse from the first word to the last layer.

The vectorizer makes a CSR matrix with thousands of columns, nearly all of them zero. The network
takes it as it is: at no point is there a dense copy of it.

Run it with ``python examples/sparse_text.py sms_spam.csv.gz``, a table of messages with the columns
label (ham or spam) and message; or name a folder that has the file in the environment variable
SKNET_DATA. Without a file it takes a few messages written for this script.
"""

import csv
import gzip
import os
import sys
import time
from pathlib import Path

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import train_test_split

from sknet import MLPClassifier

HAM = """\
Are we still on for lunch at noon tomorrow?
I will be home late, please feed the cat
Can you call me when you leave the office?
Thanks for the lovely dinner last night
The meeting is moved to three, same room
Do you want me to pick up some milk on the way home?
Happy birthday! See you at the party tonight
Sorry, I missed your call, I was in a meeting
The train is late again, start dinner without me
Did you find your keys at the office?
See you tomorrow at the station, same time
I am on the way, please wait for me"""

SPAM = """\
WINNER! You have won a cash prize, call now to claim
Free ringtones! Text WIN to 12345 now
Urgent: claim your free prize today, call the number below
You have been selected for a free holiday, text YES to claim
Win cash now! Text PRIZE to enter our free draw
Final notice: your free phone is waiting, call now
Cheap loans today, no questions, text CASH now
Congratulations, you won! Call to claim your reward now
Free entry in our weekly draw, text WIN now to claim
Your number won a prize of 1000 in cash, call today
Exclusive offer: free tickets, text GO now
Claim your cash reward today, text YES now"""


def load():
    """Messages and their labels."""
    if len(sys.argv) > 1:
        path = Path(sys.argv[1])
    else:
        path = Path(os.environ.get("SKNET_DATA", ""), "sms_spam.csv.gz")
        if not path.exists():
            ham, spam = HAM.splitlines(), SPAM.splitlines()
            return ham + spam, ["ham"] * len(ham) + ["spam"] * len(spam)
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = {(row["message"], row["label"]): None for row in csv.DictReader(file)}
    return zip(*rows)  # without the repeated ones


def main():
    messages, labels = load()
    print(f"{len(messages)} messages, {labels.count('spam')} of them spam")
    train, test, y_train, y_test = train_test_split(
        messages, labels, test_size=0.25, stratify=labels, random_state=0
    )

    begin = time.perf_counter()
    vectorizer = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2))
    X_train = vectorizer.fit_transform(train)
    X_test = vectorizer.transform(test)
    n_rows, n_columns = X_train.shape
    density = X_train.nnz / (n_rows * n_columns)
    print(f"X: {X_train.format.upper()}, {n_rows} x {n_columns}, density {density:.3%}")

    net = MLPClassifier((32,), learning_rate_init=0.01, random_state=0)
    net.fit(X_train, y_train)
    y_pred = net.predict(X_test)
    seconds = time.perf_counter() - begin

    print(f"test accuracy: {accuracy_score(y_test, y_pred):.4f}")
    print(f"F1 of spam:    {f1_score(y_test, y_pred, pos_label='spam'):.4f}")
    print(f"time:          {seconds:.1f} s, {net.n_iter_} epochs")


if __name__ == "__main__":
    main()
