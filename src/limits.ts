const KIB = 1024
const MIB = 1024 * KIB
const GIB = 1024 * MIB
const SECOND = 1000
const MINUTE = 60 * SECOND
const DAY_SECONDS = 24 * 60 * 60

/** Every bound on outside input, with its unit in the name and its reason beside it. */
export const LIMITS = {
  /** A record key is built from parsed names; the longest legal one (npm name, `@`, version) is far below. */
  keyBytesMax: 1 * KIB,
  /** A field of an audit line: the longest names a record by its key. */
  auditFieldBytesMax: 4 * KIB,

  /** A change that other writers keep coming before is tried again this long: each round lets one of them through. */
  conflictRetryMs: 5 * SECOND,
  /** And waits this long at most between two tries. */
  conflictPauseMsMax: 50,

  /** Records in one page of a list: some megabytes at most of what protocols store. */
  listPageMax: 10_000,
  /** A statement waits this long for another process's lock before the database counts as down. */
  databaseBusyTimeoutMs: 5 * SECOND,
  /** And for that of a Nix on this machine, whose writers hold readers up only without WAL: everybody else waits as long. */
  localStoreBusyTimeoutMs: 250,
  /** After that nobody asks it for this long: every question would hold all others up anew. */
  localStoreLockedMs: 1 * SECOND,
  /** A Nix database that is copied into memory, because nobody has it open and its folder may not be written in. */
  localStoreSnapshotBytesMax: 512 * MIB,
  /** A database that refused a change because its disk is full is called full for so long: what comes next may be as large. */
  databaseFullMs: 30 * SECOND,
  /** A PostgreSQL statement that takes longer is cancelled: every one of ours takes milliseconds. */
  databaseStatementTimeoutMs: 30 * SECOND,
  /** A connection to PostgreSQL that stays is asked this often whether it still answers, and given up like any other when it does not. */
  databasePulseMs: 5 * SECOND,
  /** So often a server looks what time PostgreSQL has: clocks are set, and drift. */
  databaseClockMs: 1 * MINUTE,
  /** An answer that took longer, because the database stood still meanwhile, tells too little of it. */
  databaseClockAnswerMs: 1 * SECOND,
  /** This machine's clock was set when it has moved so much against one that nobody sets. */
  databaseClockJumpMs: 1 * SECOND,
  /** Between two tries to connect it again, at first and at most: an outage is over for us soon after it is for the database. */
  databaseRetryMsMin: 100,
  databaseRetryMsMax: 2 * SECOND,
  /** Reads of single rows go to PostgreSQL together, in so many trips at once: one is answered while the next is asked. */
  databaseTripsAtOnce: 2,
  /** And so many in one: their answers are some hundred kilobytes. */
  databaseAskingsPerTrip: 128,
  /** From the beginning of an outage, reads and changes wait so long for its end before they fail: PostgreSQL restarts in a second or two. */
  databaseOutageMs: 3 * SECOND,
  /** Between two tries to hold what somebody else holds: so soon another server goes on with what one that ended has done. */
  holdPauseMs: 1 * SECOND,
  /** Work beside answering that met an outage is tried again after so long: nobody waits for it. */
  tendPauseMs: 30 * SECOND,
  /** Page cache of the reading connection: holds the documents of some 50,000 packages. */
  databaseReadCacheBytes: 64 * MIB,
  /** Page cache of the writing connection. */
  databaseWriteCacheBytes: 16 * MIB,
  /** A staged file that another host or container left is removed when nobody has written to it for so long: no upload stands still so long. */
  stagedElsewhereMs: 60 * MINUTE,
  /** Commits that share one transaction, and so one fsync: more would only make the first of them wait. */
  commitsPerBatch: 256,
  /** Commits waiting for the database; beyond it the answer is 503, not memory. */
  commitsWaitingMax: 10_000,
  /** Documents up to this size are handed to their connections whole: the memory of as many slow readers as a server has. */
  documentInlineBytesMax: 1 * MIB,
  /** Larger ones that are on their way at once, each counted once for all its readers. */
  largeDocumentsBytesMax: 256 * MIB,
  /** Of those, what one of several processes may have: the document of the largest package, twice. */
  largeDocumentsBytesMin: 64 * MIB,
  /** Origins that documents are stored for, of one process: each has its own copy of every packument. */
  documentOriginsMax: 16,
  /** Connections to PostgreSQL of one server, which its processes share, unless told otherwise: its default limit is 100 for all. */
  databaseConnections: 10,
  /** Of one server: more than any PostgreSQL takes. */
  databaseConnectionsMax: 1_000,

  /** One blob after decompression, so a bomb stops here and not on the disk. */
  blobBytesMax: 64 * GIB,
  /** Content of one zstd frame: the unit of Range and of memory on the way out. */
  frameBytes: 1 * MIB,
  /** Frames compressed side by side for one upload: two cores are filled by two, a third hides the disk. */
  framesInFlight: 3,
  /** Blobs up to this size are read in one synchronous call, cheaper than a trip through the thread pool: half the wheels there are. */
  inlineReadBytesMax: 128 * KIB,
  /** Small blobs that a server, all its workers together, keeps in memory: a few thousand narrow archives, and no more of it than an idle server has room for. */
  recentBlobBytesMax: 16 * MIB,
  /** Bodies of documents from this size on are kept by the process that read them: shorter ones, most narinfos, cost little more than their row. */
  recentDocumentBytesMin: 2 * KIB,
  /** And so much of them in all workers of a server together, in bytes or characters: what a thousand packages in use have. */
  recentDocumentsLengthMax: 16 * MIB,
  /** Answers that wait for the end of a turn of the event loop and are sent together: the first of so many has waited two milliseconds. */
  sentTogetherMax: 64,
  /** Bytes or characters of their bodies, beyond which they are sent before it: what waits is in memory. */
  sentTogetherLengthMax: 512 * KIB,
  /** Size of a read buffer of the pool that feeds responses. */
  readBufferBytes: 256 * KIB,
  /** Buffers kept for reuse; more are allocated under load and then dropped. */
  readBuffersKept: 64,
  /** The same of buffers for frames: what four uploads at once have in hand. */
  frameBuffersKept: 16,
  /** The memory store refuses more: it is for tests and trials, beside everything else in the process. */
  memoryStoreBytesMax: 1 * GIB,
  /** A URL that a reader is sent to, in seconds: clients follow at once, and try it again for a minute or two. */
  redirectSeconds: 300,
  /** What is smaller is sent sooner than a client has asked a second server. */
  redirectBytesMin: 1 * MIB,
  /** A connection to S3 is there after this, or the next attempt is made. */
  s3ConnectMs: 3 * SECOND,
  /** One attempt at a request, to the head of its answer, and all attempts together: clients wait some ten seconds for anything. */
  s3AttemptMs: 4 * SECOND,
  s3AnswerMs: 9 * SECOND,
  /** Attempts at a request, and the longest first pause between them, which doubles: a store that says it has too much to do is given longer. */
  s3AttemptsMax: 6,
  s3PauseMs: 50,
  s3ThrottledPauseMs: 300,
  s3PauseMsMax: 2 * SECOND,
  /** Requests to a bucket that are sent again while no other succeeds: one in ten of some thousand under way. */
  s3RetriesAtOnceMax: 200,
  /** What is not answered for so long is sent once more beside, twice at most; a good store answers in a tenth of it. */
  s3BesideMs: 1 * SECOND,
  s3BesideMax: 2,
  /** Requests of one process that go beside others at a time: a store that is slow because it has much to do is not asked thrice. */
  s3BesidesMax: 64,
  /** A request that carries bytes has as much more time for each attempt as they take at this rate, and three times that in all. */
  s3SlowBytesPerSecond: 140 * KIB,
  /** Some servers copy an upload together before they answer, at no less than this rate, and 64 GiB in this time. */
  s3CopyBytesPerSecond: 40 * MIB,
  s3CompleteMs: 10 * MINUTE,
  /** An upload that S3 forgets is begun anew so often in all: its answer to the last step is seldom lost twice. */
  s3UploadsMax: 3,
  /** Of an object, what is taken from its connection before its reader asks for it; a reader that is slow holds no more. */
  s3AheadBytes: 128 * KIB,
  /** What is read from a connection at once, and the buffer that each has for it, where nothing is to be decrypted. */
  s3ReadBytes: 128 * KIB,
  /** An object from which on it pays to read it past Node's parser, though its connection is closed then. */
  s3TakenBytesMin: 2 * MIB,
  /** An answer of S3 that is no object: a page of a list has a thousand keys of a kilobyte, each character of which may take six. */
  s3AnswerBytesMax: 8 * MIB,
  /** A reader waits so long for the next byte of an object, then asks anew. */
  s3StallMs: 15 * SECOND,
  /** And so often for the same piece. */
  s3ResumesMax: 3,
  /** Bytes of an object that are read and dropped rather than asked for anew behind them: as many come in the time of one request. */
  s3SkipBytesMax: 1 * MIB,
  /** A part of an upload: 10,000 of them, which is all that S3 takes, have more than the largest blob. Smaller blobs are put in one request. */
  s3PartBytes: 8 * MIB,
  /** Parts of one upload on their way at once, and of all uploads of a process to one bucket: each is in memory. */
  s3PartsPerUpload: 4,
  s3PartsAtOnce: 8,
  /** Connections that readers hold as long as they read, and those for everything else. */
  s3BodySocketsMax: 512,
  s3WorkSocketsMax: 64,
  /** An upload in parts that was begun so long ago is nobody's any more: none goes on for a day. Looked for this often. */
  s3AbandonedMs: 24 * 60 * MINUTE,
  s3SweepEveryMs: 6 * 60 * MINUTE,
  /** Of the clocks of S3 and of this machine: S3 refuses what is a quarter of an hour apart, and logs are read side by side. */
  s3ClockWarnMs: 1 * MINUTE,
  /** Characters of a key before a location; S3 takes 1,024 bytes for both. */
  s3PrefixLengthMax: 512,
  /** Small pieces of an upload are gathered to this size: fewer trips through the thread pool. Two a staged blob. */
  writeBufferBytes: 256 * KIB,
  /** Stores of one depot: each is looked at for every new blob. */
  storesMax: 64,
  /** A store that failed is asked again after this long, and gets no new blobs meanwhile while others take them. */
  storeRetryMs: 5 * SECOND,
  /** A store that has not said for so long how much room it has hangs: a disk answers in milliseconds, a network mount in some hundred. */
  storeAnswerMs: 2 * SECOND,
  /** Less room than this takes no upload of any size. */
  storeFullBytes: 64 * MIB,
  /** One that ran full, though room seemed to be left, gets none for this long: what comes next may be as large. */
  storeFullMs: 30 * SECOND,
  /** Room that new blobs leave in a store, while others have more: uploads that are on their way must still fit. */
  storeReserveBytes: 1 * GIB,
  /** Only one command at a time moves blobs: another one waits for this long, some looks at whether the first is still there. */
  storeMoveTurnMs: 5 * SECOND,
  /** What has moved stays where it was too, for clients that were sent there: the URL is good so long, and the row it was made of may be a little old. */
  storeMovedKeptMs: 330 * SECOND,
  /** Blobs that stay so at once, each some 200 bytes of memory: a move that is faster waits for the first of them. */
  storeMovedKeptMax: 100_000,
  /** How long it is remembered how much room a store has: less than a fast disk takes to fill the reserve. */
  storeSpaceSharedMs: 1 * SECOND,
  /** How often the bytes in each store are counted anew, for `least-used`: other servers place blobs there too. */
  storeUseCountedMs: 10 * MINUTE,
  /** A start waits no longer for the first count: some millions of blobs. */
  storeUseWaitMs: 5 * SECOND,
  /** Of a store that gives other bytes than it has one line of the log a minute says so, whatever is read. */
  misreadToldMs: 1 * MINUTE,
  /** Blobs whose store a process remembers until their rows are there: more than are ever between storing and committing. */
  placesRememberedMax: 10_000,
  /** Directories known to be durable; at two levels of 256 below each domain this is a full domain, some 10 MB of paths. */
  directoriesRemembered: 66_000,
  /** Dirty bytes handed to the disk between two `fdatasync`: keeps the final sync, and other readers' p99, short. */
  syncEveryBytes: 16 * MIB,

  /** A narinfo is some hundred bytes and about 60 per reference: room for fifteen thousand. */
  narinfoBytesMax: 1 * MIB,
  /** Narinfos of the local store that one process keeps, in characters, and as much again for what they were made from. */
  recentNarinfoCharactersMax: 2 * MIB,
  /** Nix itself stops at 64 levels since 2.36; older clients have no limit. */
  narDepthMax: 1024,
  /** Lines of a narinfo: ten, its signatures, and what other caches add. */
  narinfoLinesMax: 1000,
  /** A signature for each cache that a path came through. To check one costs a tenth of a millisecond for every trusted key of its name. */
  narinfoSignaturesMax: 64,
  /** Records of references that are looked up at once when a narinfo comes: a database over the network answers them together. */
  referenceReadsAtOnce: 32,
  /** A listing of an archive, as JSON: some 70 bytes a file, so room for almost a million. */
  narListingBytesMax: 64 * MIB,
  /** Content of an archive that is passed over rather than decoded when a listing is made: less is not worth a new place to read from. */
  narSkipBytesMin: 16 * MIB,
  /** Archives of the local store that are read at once for bytes that nobody asked for, around a range: hashing them takes a processor. */
  localArchivesPassedAtOnce: 2,
  /** Trees of the local store that are walked at once for their listings, each as long as its answer and all of them on the main thread. */
  localListingsAtOnce: 2,
  /** The log of one build, decompressed: those of browsers have some tens of megabytes. */
  buildLogBytesMax: 256 * MIB,
  /** What a derivation's output turned out to be: some hundred bytes, and a hundred for each output it depends on. */
  realisationBytesMax: 1 * MIB,
  /** Signatures of one realisation, each by another key. */
  realisationSignaturesMax: 100,
  /** Where the debug information of one build id lies: two short texts. */
  debugInfoBytesMax: 4 * KIB,
  /** Names that a command reads from standard input, in characters: all paths of a large store have some hundred each. */
  namesFromStdinCharactersMax: 64 * MIB,
  /** A derivation, whose environment may have whole scripts: the largest of nixpkgs have some hundred KiB. */
  derivationBytesMax: 64 * MIB,
  /** Store paths that are saved or sent together, some 1 KiB each in memory: all derivations behind a system are some 100,000. */
  closurePathsMax: 500_000,
  /** Of these so many are looked up at once: in a cache each is a request. */
  closureAsksAtOnce: 32,
  /** Store paths asked about in one request; a system's closure has some thousand. */
  missingPathsMax: 10_000,
  /** And that request: 35 bytes for each, 88 with a NarHash. */
  missingBodyBytesMax: 1 * MIB,
  /** Narinfos in one request, each a change of its own, and their bytes: most have some hundred. */
  manyNarinfosMax: 1_000,
  manyNarinfosBytesMax: 8 * MIB,
  /** Of these so many are held against their archives and written at once: the database makes one commit of them. */
  narinfosAtOnce: 32,
  /** Archives in one request, which are there all together or not at all, and their bytes before any compression. */
  manyNarsMax: 1_000,
  manyNarsBytesMax: 64 * MIB,
  /** Of these so many are made durable at once: a disk that waits for each alone waits most of the time. */
  narsPublishedAtOnce: 16,
  /** Archives of at most this size are sent together: they are in memory until they are answered. */
  pushedTogetherEachBytesMax: 512 * KIB,
  /** So many in one request, and bytes: some requests of this size fill any line, and a cut costs no more than one of them. */
  pushedTogetherMax: 250,
  pushedTogetherBytesMax: 4 * MIB,
  /** Store paths in one page of a list, some 300 bytes each. */
  nixListPageMax: 1_000,
  /** Records that are looked at for one page when only some are wanted: parsing so many takes some 20 ms. */
  nixListScanMax: 2_000,
  /** And characters of them: a path may have a megabyte of references. A page is short, with more behind it, rather than over this. */
  nixListCharactersMax: 16 * MIB,
  /** So many of them are read at once. */
  nixListReadAtOnce: 16,
  /** Referrers of a path that are told at once. */
  nixReferrersToldMax: 1_000,
  /** Store paths that one request deletes: its commit holds others up for some 100 ms. More go in several requests, referrers first. */
  nixDeletedPathsMax: 500,
  /** Records that such a commit changes: narinfos may have thousands of references. */
  nixDeletedRecordsMax: 50_000,
  /** Store paths that a plan of what to delete covers: each is a read or two, and a line of the answer. */
  nixPlannedPathsMax: 20_000,
  /** References of all paths of a plan, which is in memory until it is answered: some 100 bytes each. */
  nixPlannedReferencesMax: 1_000_000,
  /** And the request for it: 35 bytes for each. */
  nixPlanBodyBytesMax: 1 * MIB,
  /** Work of many steps lets others have their turn after this long: a reader of something else waits no longer than for a disk. */
  workSliceMs: 10,
  /** Rows looked up in one statement: SQLite answers on the thread that serves everybody. */
  lookupKeysMax: 1_000,
  /** File names in an archive: what Linux file systems hold. */
  narNameBytesMax: 255,
  /** Symlink targets in an archive: PATH_MAX less its NUL. */
  narTargetBytesMax: 4095,
  /** Decoder memory: `xz -9` needs 65 MiB. */
  decoderMemoryBytesMax: 96 * MIB,
  /** Largest zstd window (2^27 = 128 MiB, what `zstd --long` makes). */
  zstdWindowLogMax: 27,
  /** Decompressions that work at once in one process: as many as Node's thread pool runs. The others wait their turn. */
  decodersMax: 4,
  /** Decompressions that are open, most of them waiting for their client: bounds what all of them hold in memory. */
  decodersOpenMax: 16,
  /** What a client must have sent, unless it has sent all, before it gets one of them: as much as its socket holds for it anyway. */
  decoderHeadBytes: 64 * KIB,
  /** While others wait for one of them, a client that sends slower than this loses its own: 16 of them would stop all uploads. */
  decoderBytesPerSecondMin: 16 * KIB,
  /** Time of waiting for that client over which its pace is measured. */
  decoderPaceWindowMs: 5 * SECOND,
  /** Decompressions of what clients read, open as long as they read. */
  decodersReadMax: 16,
  /** A decoder hands out pieces of this size: fewer trips through the thread pool. */
  decoderOutputBytes: 256 * KIB,
  /** Content that the xz decoder makes before it hands out anything; one chunk of the format may add 2 MiB. */
  xzSliceOutputBytes: 1 * MIB,
  /** Content that it makes ahead of its reader. */
  xzOutputAheadBytes: 4 * MIB,
  /**
   * Frames of a zstd file, streams and blocks of an xz file: each costs a decoder, some 0.2 ms for the eight bytes it takes. So many are
   * free, and beyond them they must hold so much on average; the smallest known hold 16 KiB.
   */
  codecPiecesFree: 1_000,
  codecPieceBytesMin: 4 * KIB,
  /** Places where an archive that is named by its content names itself; they are kept until its end is reached. */
  selfReferencesMax: 1_000_000,

  /** One tarball. npm itself holds a publish in one string, which ends at some 380 MB; a plain PUT has no such end. */
  npmTarballBytesMax: 4 * GIB,
  /** A publish: a tarball in base64, which is a third longer, and the manifest. */
  npmPublishBytesMax: 6 * GIB,
  /** The JSON of a publish without its attachments: the manifest, readme included. */
  npmManifestBytesMax: 16 * MIB,
  /** A packument that a client sends back to change a word of it: that of typescript has 14 MB. */
  npmDocumentBytesMax: 32 * MIB,
  /** Tags, owners and stars in it, each: ten thousand names. And one text that deprecates. */
  npmDocumentFieldBytesMax: 512 * KIB,
  /** Every publish writes the times of all of them anew, and every packument carries them; typescript has 3,500 after ten years. */
  npmVersionsPerPackageMax: 20_000,
  /** Characters of all manifests of a package: its packument is one text in memory. npmjs refuses packages above 100 MB. */
  npmManifestsLengthMax: 128 * MIB,
  /** What one commit deletes of a package: reading so many records holds nobody else up. */
  npmDeletedVersionsPerCommit: 250,
  /** Characters of the text that deprecates a version. */
  npmDeprecationLengthMax: 1024,
  /** Owners that a package names. */
  npmMaintainersMax: 200,
  /** Who starred a package. */
  npmStarsMax: 10_000,
  /** Dist-tags of one package: all are in its packument. */
  npmTagsPerPackageMax: 1000,
  /** Nesting of any JSON from outside; package manifests have some ten levels. */
  jsonDepthMax: 128,
  /** Values in any JSON from outside: parsing these takes a tenth of a second at most. The longest `exports` have some 50,000. */
  jsonValuesMax: 200_000,
  /** A key of a publish's JSON: names, versions and file names are all far below. */
  npmKeyBytesMax: 4 * KIB,
  /** What npm itself takes (validate-npm-package-name). */
  npmNameLengthMax: 214,
  /** What semver itself takes; a pattern never sees more. */
  npmVersionLengthMax: 256,
  /** `dist.shasum`: 40 digits. */
  npmShasumLengthMax: 200,
  /** `dist.integrity`: a sha512 has 95 characters, and there may be several. */
  npmIntegrityLengthMax: 4 * KIB,
  /** A bundle of provenance: some 10 KiB, read anew for everybody who asks for it. */
  npmProvenanceLengthMax: 1 * MIB,
  /** What a registry says of how one version was made, two or three bundles, brought in from there. */
  npmAttestationsBytesMax: 4 * MIB,
  npmAttestationsMax: 16,
  /** Public keys of other registries: npmjs has had two in ten years. All are in every answer to who checks signatures. */
  npmRegistryKeysMax: 100,
  npmRegistryKeysBytesMax: 256 * KIB,
  /** Versions asked about in one request, each a record with its manifest; the tree of a large project has some thousand. */
  npmMissingVersionsMax: 1_000,
  /** And that request: some 250 bytes for each. */
  npmMissingBodyBytesMax: 4 * MIB,
  /** Clients send one; every tag is in every packument from then on. */
  npmTagsPerPublishMax: 100,
  /** One OSV record, or one saved answer about all packages of a tree; the longest of GitHub's have some 100 KiB. */
  npmAdvisoryBytesMax: 4 * MIB,
  /** What an audit asks, after gunzip: some 30 bytes a package, or 300 with a whole tree. */
  npmAuditBodyBytesMax: 16 * MIB,
  /** Versions of one package in one tree: each is compared with every advisory about it. */
  npmAuditVersionsMax: 1_000,
  /** Places of one version in a tree that a report tells, and the characters of one. */
  npmAuditPathsMax: 100,
  npmAuditPathLengthMax: 4 * KIB,
  /** Characters of all places in one report: a tree of some megabytes has places of gigabytes. Behind them only versions are told. */
  npmAuditPlacesLengthMax: 2 * MIB,
  /** The text of a search; npmjs takes 64 characters. */
  npmSearchTextLengthMax: 512,
  /** Words in it: each is looked for in every package. */
  npmSearchWordsMax: 16,
  /** Hits in one answer, npmjs's bound. */
  npmSearchSizeMax: 250,
  /** What the search index keeps of each of a package's texts, in characters: a package then has some 400 bytes, and 10 KiB at most. */
  npmSearchFieldLengthMax: 512,
  npmSearchKeywordsMax: 64,
  npmSearchPeopleMax: 20,
  /** Bytes of one tarball after gunzip; only its package.json is kept. */
  npmUnpackedBytesMax: 16 * GIB,
  /** Entries read from any tar or zip before it is refused. */
  archiveEntriesMax: 100_000,
  /** One long name or extended header in a tar archive: a path and a few times, or attributes of some kilobytes. To read it takes 30 ms. */
  tarHeaderBytesMax: 256 * KIB,
  /** And all of them in one archive: every entry may have one of some hundred bytes. */
  tarHeadersBytesMax: 32 * MIB,
  /** package.json, METADATA or PKG-INFO inside an archive. */
  packageMetadataBytesMax: 8 * MIB,
  /** Lines of headers in METADATA or PKG-INFO: old ones fold a description of some thousand lines into one. */
  metadataLinesMax: 100_000,
  /** A text field of a multipart upload: a long description is the largest. */
  formFieldBytesMax: 1 * MIB,
  /** Fields of a multipart upload: Requires-Dist and classifiers repeat. */
  formFieldsMax: 4096,
  /** Everything in a multipart upload beside the file itself. */
  formBytesMax: 64 * MIB,

  /** Longest version that is parsed: real ones stay below 100, and a pattern never sees more. */
  pythonVersionLengthMax: 256,
  /** File names of distributions and project names: what file systems hold, because clients save under them. */
  pythonFileNameLengthMax: 255,
  /** Requires-Python is copied into every listing: PyPI's longest is some 100 characters. */
  requiresPythonLengthMax: 1 * KIB,
  /** Proxies bound a status line as a header; a terminal's few lines are enough to say what is wrong. */
  reasonPhraseLengthMax: 256,
  /** Why a file was yanked is copied into every listing too. */
  yankReasonLengthMax: 1 * KIB,
  /** Attestations of one upload: a publisher makes one or two, and each has some kilobytes. */
  pythonAttestationsMax: 16,
  /** Files asked about in one request; each may be looked up by itself, some 0.1 ms. */
  pythonMissingFilesMax: 1_000,
  /** Files of a project that one commit deletes or yanks; more go in several. */
  pythonChangedFilesMax: 500,
  /** A request about yanking, deleting or the status of a project: names and a reason. */
  pythonRequestBytesMax: 16 * KIB,
  /** Projects in one page of the depot's own list. */
  pythonListPageMax: 1_000,
  /** The provenance of one file: a publisher makes one or two attestations, and each has some kilobytes. */
  pythonProvenanceBytesMax: 4 * MIB,
  /** What is saved of an index's entry about a file, with the list of all files of its version: some 150 bytes each. */
  pythonSavedEntryBytesMax: 4 * MIB,
  /** What an sdist's pyproject.toml may have: real ones have some kilobytes. */
  pyprojectBytesMax: 1 * MIB,
  /** Requirements of one sdist's build; real ones have fewer than twenty. */
  buildRequirementsMax: 200,
  /** What builds is built too, and so on: an endless chain of sdists is somebody's joke. */
  buildRoundsMax: 20,
  /** Runs of uv or pip at once. */
  resolversAtOnce: 4,
  /** One file's entry of a simple JSON page, sent beside the file. */
  pythonEntryBytesMax: 64 * KIB,
  /** Directory of a zip file, read at once: 100,000 entries take about 10 MiB. */
  zipDirectoryBytesMax: 32 * MIB,
  /** Zip files that are looked into at once: each may have twice that in memory meanwhile. */
  zipsReadAtOnce: 2,
  /** Bytes of one sdist after gunzip; only its PKG-INFO is kept. */
  sdistUnpackedBytesMax: 8 * GIB,

  /** A configuration file of the user's that the command line reads or edits: real ones have some kilobytes. */
  userFileBytesMax: 1 * MIB,
  /** It waits this long for another process to finish editing the same one. */
  userFileLockMs: 10 * SECOND,
  /** An answer of a depot's own API: a list of some thousand tokens. */
  apiAnswerBytesMax: 4 * MIB,
  /** The command line waits this long for one. */
  apiTimeoutMs: 30 * SECOND,

  /** All checks of `depot doctor` together: somebody waits for them. */
  doctorMs: 8 * SECOND,
  /** One question that it asks the network, or a program that is not a package manager; longer where all may take longer. */
  doctorProbeMs: 2500,
  /** And for a lock of the database: writers of ours take milliseconds. */
  doctorLockMs: 1 * SECOND,
  /** What a server answers it: a page of the index of one project. */
  doctorAnswerBytesMax: 4 * MIB,
  /** A database up to this size is read through: a slow disk reads so much in two seconds. */
  doctorDatabaseBytesMax: 128 * MIB,
  /** Less space than this takes no upload of any size; less than the second is gone in a day. */
  doctorSpaceBytesMin: 64 * MIB,
  doctorSpaceBytesAdvised: 1 * GIB,
  /** What a server is to have: its caches, and the documents that are on their way. */
  doctorMemoryBytesAdvised: 512 * MIB,
  /** Open files of a server: its clients' connections, and a file for each download. */
  doctorOpenFilesAdvised: 4096,
  /** A certificate that ends within this time is to be renewed. */
  doctorCertificateMs: 21 * DAY_SECONDS * SECOND,
  /** Requests that bring packages into a depot and are under way at once: its disk is busy with so many. */
  transferAtOnce: 8,
  /** An answer to one of them: the largest tells what is there of a package with some thousand versions. */
  transferAnswerBytesMax: 128 * MIB,
  /** From the first to the last byte of it: the largest over a line of half a megabyte a second. */
  transferAnswerMsMax: 5 * MINUTE,
  /** Such a request is tried so often while its depot is down or asks to wait: a restart takes some seconds. */
  transferTriesMax: 6,
  /** The first wait between two tries; each is twice as long as the one before. */
  transferPauseMs: 1 * SECOND,
  /** And the longest, also when the depot asks for more. */
  transferPauseMsMax: 1 * MINUTE,
  /** Names of an ecosystem that are kept because clients asked for them in vain: the closure of a large system has some thousand. */
  wantedNamesMax: 10_000,
  /** They are written so long after the first of them was asked for. */
  wantedWrittenMs: 1 * SECOND,
  /** For so long a name that was noted is not looked up again; then it is, because somebody may have made room or had it forgotten. */
  wantedKnownMs: 1 * MINUTE,
  /** Digests on one page of an inventory: some 300 KiB. */
  inventoryPageMax: 5_000,
  /** Files that are fetched from a registry, an index or a cache at once: more make none of them faster, and some hosts refuse. */
  downloadAtOnce: 16,
  /** Nothing has come of an answer for so long: it is asked for again. */
  downloadSilenceMs: 1 * MINUTE,
  /** And what comes slower than this in that time counts as nothing, as an upload does: a lost cause, not a slow line. */
  downloadBytesPerSecondMin: 1 * KIB,
  /** One document of a registry or an index: the packument of a package with ten thousand versions, and room. */
  upstreamDocumentBytesMax: 256 * MIB,
  /** What a program says that is asked for a list, `nix path-info` or `uv` among them. */
  programOutputBytesMax: 512 * MIB,
  /** A lock file of an npm client, in characters: those of the largest known projects have some 5 million. At worst it takes 100 times as many bytes. */
  npmLockLengthMax: 16 * MIB,
  /** Levels in a lock file: two for each package that an old package-lock nests in another. */
  npmLockDepthMax: 256,
  /** Overrides in overrides of a package.json: each level is a package in a package, and a rule looks at all levels above it. */
  npmOverridesDepthMax: 32,
  /** Versions that specs lead to, each counted once for every rule by which it is met: large projects have some thousand. */
  npmResolvedMax: 50_000,
  /** What all of these ask for together: some eight each, in ways that meet again and again. Each takes some kilobytes while it is found. */
  npmEdgesMax: 1_000_000,
  /** One name with what is asked of it: a range, or an address. Real ones stay below 500 characters. */
  npmSpecLengthMax: 4 * KIB,
  /** Packages that are saved at once: each has its packument in memory, and waits for the disk as often as for the registry. */
  npmSavedAtOnce: 24,
  /** A package.json: those of the largest known projects have some hundred kilobytes. */
  npmProjectBytesMax: 4 * MIB,
  /** One package.json of Verdaccio, which holds all versions of a package: npmjs refuses packages above 100 MB. */
  verdaccioDocumentBytesMax: 128 * MIB,
  /** A Python lock or requirements file: uv writes some 250 characters a file, of which a hundred thousand have room. */
  lockFileCharsMax: 32 * MIB,
  /** One line of a requirements file with all that it is joined with: a hash has some 90 characters, and a version some hundred files. */
  requirementsLineCharsMax: 1 * MIB,
  /** One requirement without its hashes: an address and a marker. */
  requirementLengthMax: 4 * KIB,
  /** Requirements files that name one another: so deep, and so many in all. */
  requirementsDepthMax: 32,
  requirementsFilesMax: 1_000,
  /** The list of devpi's files in its export: some 1 KiB a file. */
  devpiIndexBytesMax: 256 * MIB,
  /** Files of one bundle: each takes some 700 bytes of memory. */
  bundleFilesMax: 500_000,
  /** The list of them: some 200 bytes each. */
  bundleManifestBytesMax: 128 * MIB,
  /** A signature: one by RSA of 16,384 bits has some 6 KiB, its public key beside it. */
  bundleSignatureBytesMax: 64 * KIB,
  /** Volumes that a bundle is split into: their names have three digits. */
  bundleVolumesMax: 999,
  /** Keys that may have signed a bundle, and the bytes of a file of them. */
  trustedKeysMax: 1_000,
  trustedKeysBytesMax: 1 * MIB,
  /** Folders in folders that are looked through for distributions. */
  importDepthMax: 32,

  /** Longest URL that is looked at, in characters. */
  urlLengthMax: 8 * KIB,
  /** All request headers together; Node answers 431 above it. */
  headerBytesMax: 16 * KIB,
  /** Headers of one request; real clients send some twenty. */
  headersMax: 200,
  /** Processes on one port: more than any machine of ours has cores. */
  workersMax: 128,
  /** A process that lived this long was in order: it is replaced at once, and one that died sooner later and later. */
  workerSteadyMs: 10 * SECOND,
  workerPauseMsMin: 100,
  workerPauseMsMax: 5 * SECOND,
  /** A process is asked this often whether it still answers; one that did not so many times in a row hangs, and is killed and replaced. */
  workerPulseMs: 5 * SECOND,
  workerPulsesMissedMax: 4,
  /** From its start until a process can serve, as many starting at once as there are cores: it takes seconds, and one that takes longer hangs. */
  workerStartMs: 60 * SECOND,
  /** Without any process for this long the server ends and says why: whoever watches over it must hear of it. */
  workersDownMsMax: 60 * SECOND,
  /** A probe of readiness is answered within this time: load balancers give up after some seconds, and would not hear which part is down. */
  readinessWaitMs: 2 * SECOND,
  /** So long all probes share one look at the database and the stores, however many load balancers there are. */
  readinessSharedMs: 1 * SECOND,
  /** A part that has not answered a question for so long is asked another one: the first may have been lost. */
  readinessGivenUpMs: 30 * SECOND,
  /** What a process may take, beyond the grace of running requests, to close what it has open; then it is killed. */
  workerEndMs: 10 * SECOND,
  /** Connections that wait for a process, and for how long: the time in which one is replaced. */
  connectionsWaitingMax: 1_000,
  connectionWaitMs: 10 * SECOND,
  /** A process that has not taken a connection for so long is asked whether it got it: one that may not open more files gets none. */
  connectionTakenMs: 250,
  /** Connections of one process that are on their way to it: a burst goes to all alike, and few wait for one that is slow. */
  connectionsAhead: 8,
  /** Keep-alive connections may go on to a request and its answer, and so to their end, when their process is replaced. */
  retireMs: 5 * SECOND,
  /** Whoever waits until all processes have heard something waits no longer than this. */
  newsHeardMs: 5 * SECOND,
  /** Counts that are told between servers go together for so long, and no more of them: others are lost, and nobody waits for them. */
  newsGatheredMs: 100,
  newsGatheredMax: 1_000,
  /** A name in what one server tells the others: an address or the fingerprint of a key. */
  newsFieldCharsMax: 128,
  /** Of a pipe, what several processes may write at once without mixing it (POSIX: PIPE_BUF on Linux). */
  pipeWriteBytesMax: 4 * KIB,
  /** Values of one header whose meaning is remembered; real clients of all kinds send some ten. */
  headersRemembered: 64,
  /** Requests of one connection that wait for the one before them: clients of packages send the next when they have an answer. */
  requestsWaitingMax: 100,
  /** A client gets this long to send its headers. */
  headersTimeoutMs: 15 * SECOND,
  /** Idle keep-alive connections; longer than the 60 s of common load balancers, so they close first. */
  keepAliveTimeoutMs: 65 * SECOND,
  /** A connection on which nothing moved for this long is cut. */
  idleTimeoutMs: 2 * MINUTE,
  /** An upload that comes slower than this is cut: whoever sends a byte a minute would hold a decoder for ever. */
  uploadBytesPerSecondMin: 1 * KIB,
  /** Time of waiting for a client over which its pace is measured: a line may fail for a while. */
  uploadPaceWindowMs: 1 * MINUTE,
  /** After an early refusal the rest of the body is read and dropped this long, so that the client sees the answer. */
  lingerMs: 5 * SECOND,
  /** And at most this many bytes of it. */
  lingerBytesMax: 64 * MIB,
  /** In-flight requests get this long after SIGTERM. */
  shutdownGraceMs: 120 * SECOND,
  /** And connections on which no request ever came this long: theirs may be on its way. */
  shutdownSilenceMs: 1 * SECOND,
  /** Connections of `depot proxy` to its depot: Nix opens 25, npm 15; further requests wait. */
  proxyConnectionsMax: 128,
  /** Bytes of one connection that `depot proxy` holds in each direction while the other side is busy. */
  proxyBufferBytes: 512 * KIB,
  /** What `depot proxy` reads at once from its depot; one buffer a connection. */
  proxyReadBytes: 256 * KIB,
  /** Bodies from this size on are worth a connection of their own, which is all that moving them past the parser costs. */
  proxyDirectBytesMin: 4 * MIB,
  /** Retry-After of a 429 and a 503. */
  retryAfterSeconds: 5,
  /** What is kept of a User-Agent header; npm's own has some 70 characters, pip's 700. */
  userAgentCharsMax: 256,

  /** A credential; a login signed with RSA of 16,384 bits has about 3,600 characters. */
  credentialCharsMax: 4 * KIB,
  /** Between the times of issue and expiry of a login. */
  loginSecondsMax: 5 * 60,
  /** How far the clocks of client and server may be apart. */
  clockSkewSeconds: 30,
  /** Verified credentials that are remembered, by their hash. */
  credentialsRemembered: 10_000,
  /** A stored token is looked up again after this long: so soon is one gone that another server revoked. */
  tokenTrustedMs: 5 * SECOND,
  /** Bad logins of one address that are looked at: each costs a signature, up to 7 ms. */
  badLoginsBurst: 50,
  badLoginsPerSecond: 10,
  /** Logins of one address that are verified at a time: as many as Node's thread pool does. */
  loginsVerifiedAtOnce: 4,
  /** Refused changes of one key that go to the audit log. */
  denialsBurst: 50,
  denialsPerSecond: 1,
  /** Addresses or keys whose pace is remembered. */
  rateKeysMax: 10_000,
  /** Used logins are cleared away this often, and so many at a time. */
  usedLoginsSweepMs: 1 * MINUTE,
  usedLoginsSweepMax: 1_000,

  /** An SSH public key, in base64 or in bytes: RSA of 16,384 bits has some 2,800 characters. */
  sshKeyBytesMax: 16 * KIB,
  /** A private key's file: RSA of 16,384 bits has some 13,000 characters. */
  sshPrivateKeyBytesMax: 64 * KIB,
  /** One answer of an SSH agent: what OpenSSH's own programs take. */
  sshAgentAnswerBytesMax: 256 * KIB,
  /** Keys of one SSH agent: what OpenSSH's own programs take. */
  sshAgentKeysMax: 2048,
  /** An SSH agent lists its keys at once: nobody is asked. */
  sshAgentListMs: 5 * SECOND,
  /** It signs when a person has confirmed it, found the security token and touched it. */
  sshAgentSignMs: 2 * MINUTE,
  /** One grant, in characters: its pattern and two words. */
  grantLengthMax: 512,
  /** A pattern, in characters: what the longest name of a package has. */
  grantPatternLengthMax: 256,
  /** Grants of one token or one key: all of them are looked at for every request. */
  grantsMax: 100,
  /** The auth file: as many keys as it may have, most of them RSA. */
  authFileBytesMax: 4 * MIB,
  /** Keys of an auth file: reading so many holds everything else up for some 0.3 s. */
  authKeysMax: 5_000,
  /** A line of it: a key and its comment. */
  authLineLengthMax: 16 * KIB,
  /** The comment of a key is a name in lists and in the audit log, in characters. */
  authCommentLengthMax: 200,

  /** How long a stored token is good, unless told otherwise. */
  tokenSecondsDefault: 90 * DAY_SECONDS,
  /** And at most: a year and a day, so that a yearly change fits. */
  tokenSecondsMax: 366 * DAY_SECONDS,
  /** The name of a token, in characters: it stands in lists and in the audit log. */
  tokenNameLengthMax: 100,
  /** A token, one that it made, one that this made: each of them is looked up at every use. */
  tokenDepthMax: 3,
  /** Good tokens that go back to one SSH key. */
  tokensPerKeyMax: 1_000,
  /** Revoked and expired tokens of one SSH key that are still listed. */
  tokensDeadKeptMax: 1_000,
  /** And for how long. */
  tokenDeadKeptMs: 30 * DAY_SECONDS * SECOND,
  /** When a token was last used is written at most this often. */
  tokenUseWrittenMs: 1 * MINUTE,
  /** Tokens of which a process knows when it wrote that. */
  tokenUsesRemembered: 10_000,
  /** A request about tokens and logins: names, and grants of the greatest length. */
  accountBodyBytesMax: 64 * KIB,
  /** A login with a code waits this long for its approval. */
  webLoginMs: 10 * MINUTE,
  /** So many of them may wait, each a row; and so many from one address, so that nobody takes all places. */
  webLoginsMax: 1_000,
  webLoginsPerAddressMax: 50,
  /** A client that waits for its approval asks this often. */
  webLoginPollSeconds: 2,
} as const
