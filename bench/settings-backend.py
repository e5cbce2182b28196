# SPDX-License-Identifier: Apache-2.0
# A backend of xdg-desktop-portal that tells how things look, and nothing else: settings-backend.py NAME
import sys
from gi.repository import Gio, GLib

INTERFACE = """<node><interface name="org.freedesktop.impl.portal.Settings">
<method name="Read"><arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="v" direction="out"/></method>
<method name="ReadAll"><arg type="as" direction="in"/><arg type="a{sa{sv}}" direction="out"/></method>
<property name="version" type="u" access="read"/></interface></node>"""


def answer(_connection, _sender, _path, _interface, method, _parameters, invocation):
    value = GLib.Variant("u", 1)
    if method == "Read":
        invocation.return_value(GLib.Variant("(v)", (value,)))
    else:
        invocation.return_value(GLib.Variant("(a{sa{sv}})", ({"org.freedesktop.appearance": {"color-scheme": value}},)))


def acquired(connection, _name):
    info = Gio.DBusNodeInfo.new_for_xml(INTERFACE).interfaces[0]
    connection.register_object("/org/freedesktop/portal/desktop", info, answer, lambda *_: GLib.Variant("u", 1), None)


Gio.bus_own_name(
    Gio.BusType.SESSION, sys.argv[1], 0, acquired, lambda *_: print("ready", flush=True), lambda *_: sys.exit(1)
)
GLib.MainLoop().run()
