// SPDX-License-Identifier: Apache-2.0

/** What an interface has: methods with the types that they take and give, signals, and properties that can be read. */
interface Facts {
  readonly version: number;
  readonly methods: Readonly<Record<string, readonly [takes: string, gives: string]>>;
  readonly signals?: Readonly<Record<string, string>>;
  readonly properties?: Readonly<Record<string, string>>;
}

/** Interfaces as Debian 13's xdg-desktop-portal (1.20.3) has them, by what follows `org.freedesktop.portal.`. */
export const debian13Interfaces: Readonly<Record<string, Facts>> = {
  Account: {
    version: 1,
    methods: {
      GetUserInformation: ["sa{sv}", "o"],
    },
  },
  Background: {
    version: 2,
    methods: {
      RequestBackground: ["sa{sv}", "o"],
      SetStatus: ["a{sv}", ""],
    },
  },
  Camera: {
    version: 1,
    methods: {
      AccessCamera: ["a{sv}", "o"],
      OpenPipeWireRemote: ["a{sv}", "h"],
    },
    properties: { IsCameraPresent: "b" },
  },
  Documents: {
    version: 5,
    methods: {
      GetMountPoint: ["", "ay"],
      Add: ["hbb", "s"],
      AddNamed: ["haybb", "s"],
      AddFull: ["ahusas", "asa{sv}"],
      AddNamedFull: ["hayusas", "sa{sv}"],
      GrantPermissions: ["ssas", ""],
      RevokePermissions: ["ssas", ""],
      Delete: ["s", ""],
      Lookup: ["ay", "s"],
      Info: ["s", "aya{sas}"],
      List: ["s", "a{say}"],
      GetHostPaths: ["as", "a{say}"],
    },
  },
  Email: {
    version: 4,
    methods: {
      ComposeEmail: ["sa{sv}", "o"],
    },
  },
  FileTransfer: {
    version: 1,
    methods: {
      StartTransfer: ["a{sv}", "s"],
      AddFiles: ["saha{sv}", ""],
      RetrieveFiles: ["sa{sv}", "as"],
      StopTransfer: ["s", ""],
    },
    signals: { TransferClosed: "s" },
  },
  Inhibit: {
    version: 3,
    methods: {
      Inhibit: ["sua{sv}", "o"],
      CreateMonitor: ["sa{sv}", "o"],
      QueryEndResponse: ["o", ""],
    },
    signals: { StateChanged: "oa{sv}" },
  },
  Location: {
    version: 1,
    methods: {
      CreateSession: ["a{sv}", "o"],
      Start: ["osa{sv}", "o"],
    },
    signals: { LocationUpdated: "oa{sv}" },
  },
  MemoryMonitor: { version: 1, methods: {}, signals: { LowMemoryWarning: "y" } },
  NetworkMonitor: {
    version: 3,
    methods: {
      GetAvailable: ["", "b"],
      GetMetered: ["", "b"],
      GetConnectivity: ["", "u"],
      GetStatus: ["", "a{sv}"],
      CanReach: ["su", "b"],
    },
    signals: { changed: "" },
  },
  Notification: {
    version: 2,
    methods: {
      AddNotification: ["sa{sv}", ""],
      RemoveNotification: ["s", ""],
    },
    signals: { ActionInvoked: "ssav" },
    properties: { SupportedOptions: "a{sv}" },
  },
  OpenURI: {
    version: 5,
    methods: {
      OpenURI: ["ssa{sv}", "o"],
      OpenFile: ["sha{sv}", "o"],
      OpenDirectory: ["sha{sv}", "o"],
      SchemeSupported: ["sa{sv}", "b"],
    },
  },
  PowerProfileMonitor: { version: 1, methods: {}, properties: { "power-saver-enabled": "b" } },
  ProxyResolver: {
    version: 1,
    methods: {
      Lookup: ["s", "as"],
    },
  },
  Realtime: {
    version: 1,
    methods: {
      MakeThreadRealtimeWithPID: ["ttu", ""],
      MakeThreadHighPriorityWithPID: ["tti", ""],
    },
    properties: { MaxRealtimePriority: "i", MinNiceLevel: "i", RTTimeUSecMax: "x" },
  },
  Secret: {
    version: 1,
    methods: {
      RetrieveSecret: ["ha{sv}", "o"],
    },
  },
  Settings: {
    version: 2,
    methods: {
      ReadAll: ["as", "a{sa{sv}}"],
      Read: ["ss", "v"],
      ReadOne: ["ss", "v"],
    },
    signals: { SettingChanged: "ssv" },
  },
  Trash: {
    version: 1,
    methods: {
      TrashFile: ["h", "u"],
    },
  },
  Usb: {
    version: 1,
    methods: {
      CreateSession: ["a{sv}", "o"],
      EnumerateDevices: ["a{sv}", "a(sa{sv})"],
      AcquireDevices: ["sa(sa{sv})a{sv}", "o"],
      FinishAcquireDevices: ["oa{sv}", "a(sa{sv})b"],
      ReleaseDevices: ["asa{sv}", ""],
    },
    signals: { DeviceEvents: "oa(ssa{sv})" },
  },
};
