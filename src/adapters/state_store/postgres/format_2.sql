-- What was known of files is found out again with the next sync: it did not say how wide and high images are.
DROP TABLE $S.files;
CREATE TABLE $S.files (
    library INTEGER NOT NULL REFERENCES $S.libraries,
    key BYTEA NOT NULL,
    blob TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    width BIGINT,
    height BIGINT,
    sum BIGINT NOT NULL,
    PRIMARY KEY (library, key)
);
