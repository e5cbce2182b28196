// SPDX-License-Identifier: Apache-2.0

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;

/** Limits on hostile input, by name. Past one of them comes `LIMIT_EXCEEDED`, and nothing half-done stays. */
export const limits = {
  /** Manifests, indexes and configs; what containers/image allows. */
  ociDocumentBytes: 4 * MiB,
  /** Token answers and error bodies of registries. */
  registryErrorBytes: 1 * MiB,
  /** One signature with all that belongs to it. */
  signatureBytes: 256 * KiB,
  signaturesPerImage: 64,
  /** A policy file, or a key that it names. */
  policyBytes: 1 * MiB,
  /** A static index of a whole remote. */
  remoteIndexBytes: 128 * MiB,
  /** Images that one remote may list. */
  cataloguedImages: 200_000,
  /** AppStream data and icon of one app, for software centres. */
  appdataBytes: 1 * MiB,
  iconBytes: 512 * KiB,
  /** Times that a publisher writes a catalogue anew because others changed it. */
  catalogueAttempts: 50,
  /** Repositories of one namespace, where a registry has no static index and is looked through. */
  cataloguedRepositories: 10_000,
  layersPerImage: 512,
  layerBytes: 64 * GiB,
  unpackedImageBytes: 256 * GiB,
  /** Unpacked bytes for each compressed byte before a stream counts as a bomb, above a floor of 64 MiB. */
  expansionRatio: 1000,
  expansionFloorBytes: 64 * MiB,
  /** What a zstd decoder must keep in memory; the reference decoder's default too. */
  zstdWindowBytes: 128 * MiB,
  /** Headers of a tar archive; more than one may belong to an entry. */
  tarHeaders: 10_000_000,
  /** Entries of all layers of an image, each of which takes about 1 KiB of memory. */
  imageEntries: 500_000,
  pathBytes: 4095,
  nameBytes: 255,
  pathDepth: 256,
  symlinkTargetBytes: 4095,
  tarExtendedHeaderBytes: 1 * MiB,
  xattrsPerEntry: 128,
  xattrValueBytes: 65_535,
  /** The table of contents of a zstd:chunked layer, packed or not; what containers-storage allows. */
  chunkedTableBytes: 150 * MiB,
  /** Files and chunks in it. */
  chunkedTableEntries: 500_000,
  /** Packed tables of contents that are smaller are fetched whole; unpacked ones that are larger, too. */
  tocDeltaLeastBytes: 32 * KiB,
  tocDeltaMostBytes: 32 * MiB,
  /** Layers with smaller archives and tables are not worth asking for a delta. */
  deltaLeastLayerBytes: 1 * MiB,
  /** Referrers of a manifest that are looked at for deltas to it. */
  tocDeltasPerImage: 8,
  /** Deltas in all of them. */
  deltasPerImage: 64,
  /** Versions before an image that deltas may lead from, one after the other. */
  deltaVersions: 6,
  /** Deltas of files that come for one layer, packed: they are in memory together. */
  fileDeltaBytes: 32 * MiB,
  /** Contents that one frame of such a delta makes, and the one that they come of, unpacked: all are in memory. */
  patchedFileBytes: 32 * MiB,
  /** Contents of a layer that come in frames, and those that they come of, unpacked. */
  patchedLayerBytes: 1 * GiB,
  /** Contents that share a frame, unpacked; one that is larger than a quarter of it has its own. */
  sharedFrameBytes: 1 * MiB,
  /** Smaller ones never come of an earlier one. */
  sharedFileBytes: 32 * KiB,
  /** What refers to a manifest and is copied with it: artifacts, and bytes of each. */
  referrersPerImage: 64,
  referrerBytes: 64 * MiB,
  /** Unpacked tar-split data of a layer. */
  tarSplitBytes: 2 * GiB,
  /** Archives of an app's data. */
  dataArchiveBytes: 1024 * GiB,
  dataArchiveEntries: 10_000_000,
  keyfileBytes: 4 * MiB,
  /** Files that an app or runtime has fetched from elsewhere, the bytes of all, and of what is made of them. */
  extraDataFiles: 100,
  extraDataBytes: 64 * GiB,
  /** Files, folders and links that are made of them. */
  extraDataEntries: 1_000_000,
  /** The program that prepares them is ended after so long. */
  extraDataMilliseconds: 30 * 60_000,
  /** Groups `[Extension …]` of an app or runtime, and values of one list in such a group. */
  extensionPoints: 500,
  extensionListItems: 100,
  /** Extensions that one start mounts for an app or for a runtime, and names that it links out of their merged folders. */
  extensionsPerStart: 200,
  mergedNames: 10_000,
  manifestBytes: 16 * MiB,
  manifestIncludeDepth: 32,
  /** Nesting and number of values of a manifest. */
  documentDepth: 64,
  documentNodes: 200_000,
  redirects: 20,
  /** The longest pause that a registry may ask for (`Retry-After`); past it the request fails at once. */
  longestWaitMilliseconds: 60_000,
  /** Width and height of an exported icon of pixels, and of one that is drawn; then what the latter may be made of. */
  iconPixels: 512,
  svgPixels: 4096,
  svgBytes: 4 * MiB,
  svgElements: 50_000,
  svgDepth: 200,
  /** Desktop entries, icons and other files that an app exports. */
  exportedFileBytes: 4 * MiB,
  exportedFiles: 10_000,
  /** Ranges in one request; a header with more is ignored. */
  httpRanges: 2000,
  /** Versions of one ref that an installation may be told to keep. */
  keptVersions: 100,
  /** Folders of one image that can be chosen. */
  subpaths: 500,
  /** Extensions that a remote offers for one app or runtime. */
  relatedExtensions: 1000,
  /** The journal of an installation; past this its older half goes. */
  historyBytes: 4 * MiB,
  historyLineBytes: 64 * KiB,
  /** A D-Bus message and an array in it; the specification's own limits. */
  busMessageBytes: 128 * MiB,
  busArrayBytes: 64 * MiB,
  /** The fields of a D-Bus message's header. */
  busHeaderBytes: 64 * KiB,
  /** A D-Bus message whose body the gateway must look at, or whose descriptors come late. */
  busWholeMessageBytes: 16 * MiB,
  /** Messages of one client that wait until somebody has said whether it may send them, and their bytes. */
  busHeldMessages: 64,
  busHeldBytes: MiB,
  /** Calls of one client, or to it, that wait for their reply. */
  busCallsOutstanding: 65_536,
  /** Peers that a client sees because they sent it something. */
  busVisiblePeers: 65_536,
  /** Descriptors that came on a bus connection and belong to no message yet; what the kernel passes at once. */
  busDescriptors: 253,
  /** The words of an instance's bus policy. */
  busPolicyBytes: 1 * MiB,
  /** Words of starts, and policies, of all instances at once. */
  busPoliciesBytes: 256 * MiB,
  /** Connections to one bus socket at a time; more wait until others end. */
  busConnections: 1024,
  /** Requests, sessions and calls that one connection may have open at the portals, and processes that it may have spawned. */
  portalRequests: 64,
  portalSessions: 64,
  portalCalls: 1024,
  portalProcesses: 1024,
  /** How long a program of the maker's may take to answer for a portal, and how much it may print. */
  portalBackendMilliseconds: 600_000,
  portalBackendBytes: 64 * KiB,
  /** What an app says to a portal in one text, or one file that a portal keeps for it. */
  portalTextBytes: 64 * KiB,
  /** Notifications of one connection that are remembered, to take them back and to tell of their buttons. */
  portalNotifications: 256,
  /** Files that one app has through documents, those of one call, and transfers and files in them that one connection has open. */
  documentsPerApp: 256,
  documentsPerCall: 64,
  fileTransfers: 64,
  fileTransferFiles: 256,
  /** Files that an app attaches to one mail. */
  portalAttachments: 64,
  /** USB devices that a machine has, that one call asks for, and that one connection holds, each as often as it was opened. */
  usbDevices: 1024,
  usbDevicesPerCall: 32,
  usbDevicesHeld: 128,
  /** What the kernel or udev says of one device. */
  usbTextBytes: 64 * KiB,
  /** What an app says that it does in the background (Background portal, version 2). */
  portalStatusCharacters: 96,
  /** Wake-ups of one app, what each gives back to it, how often one may return, how late and how far away one may be. */
  timersOfApp: 64,
  timerDataBytes: 1 * KiB,
  timerIntervalMilliseconds: 60_000,
  timerAccuracyMilliseconds: 86_400_000,
  timerAheadMilliseconds: 10 * 366 * 86_400_000,
  /** The file with them: a byte of the data can take six in JSON. */
  timerFileBytes: 512 * KiB,
  /** Changes of its timers that one app may make in a minute, as each waits for the disk; and between two starts by them. */
  timerChangesInMinute: 120,
  timerStartMilliseconds: 60_000,
  /** How long an authenticator may be silent, and a person who logs in by it; how often it may ask one. */
  authenticatorMilliseconds: 120_000,
  authenticatorPersonMilliseconds: 1_800_000,
  authenticatorQuestions: 5,
  authenticatorReasonCharacters: 500,
  /** Folders that are picked for one app. */
  libraryFolders: 100,
  /** How long the helper that shows folders or files in a sandbox may take: a file system that does not answer keeps nobody waiting. */
  insideHelperMilliseconds: 30_000,
  /** A file of the permission store. */
  permissionTableBytes: 16 * MiB,
  /** Update monitors of one connection. */
  portalUpdateMonitors: 10,
  /** A command to the sound server, and a piece of sound (FRAME_SIZE_MAX_ALLOW of PulseAudio). */
  soundCommandBytes: 256 * KiB,
  soundDataBytes: 16 * MiB,
  /** Commands that one connection to the sound server has sent and that are not answered. */
  soundCommandsWaiting: 16_384,
  /** Refusals that a client of the sound server, or of PipeWire, has not read. */
  soundRefusals: 1024,
  /** A message of PipeWire's protocol, its descriptors (28 go at once), and those that came before their message. */
  pipewireMessageBytes: 1 * MiB,
  pipewireDescriptors: 84,
  pipewireDescriptorsWaiting: 253,
  /** Values that a value of PipeWire's data format may say follow it. */
  podItems: 4096,
  /** Objects that one connection to PipeWire knows, and its registries. */
  pipewireObjects: 4096,
  pipewireRegistries: 16,
  /** Words and variables of one spawned process, in bytes together. */
  portalSpawnBytes: 2 * MiB,
  /** A change that the system service is asked for, as JSON, and the items of a list in it. */
  changeBytes: 4 * MiB,
  changeItems: 20_000,
  /** Changes of one caller, and of one user, that the system service has taken and not finished. */
  changesOutstanding: 16,
  changesOfUser: 32,
  /** Open folders with media that come with a change. */
  changeMedia: 4,
  /** Pages of a list of tags or repositories. */
  registryListPages: 10_000,
} as const;
