# SPDX-License-Identifier: Apache-2.0
"""Reads a JSON list of keyfile texts, writes what GLib makes of each: {"error"} or {"groups", "variants"}."""
import ctypes
import json
import sys

glib = ctypes.CDLL("libglib-2.0.so.0")


class GError(ctypes.Structure):
    _fields_ = [("domain", ctypes.c_uint32), ("code", ctypes.c_int), ("message", ctypes.c_char_p)]


for name in ("new", "get_groups", "get_keys", "get_string", "get_string_list", "get_value", "get_locale_string"):
    getattr(glib, "g_key_file_" + name).restype = ctypes.c_void_p


def strings(pointer):
    array = ctypes.cast(pointer, ctypes.POINTER(ctypes.c_char_p))
    result = []
    while array and array[len(result)] is not None:
        result.append(array[len(result)].decode())
    return result


def call(name, *arguments):
    error = ctypes.POINTER(GError)()
    value = getattr(glib, "g_key_file_" + name)(*arguments, ctypes.byref(error))
    return value, bool(error)


def text(name, *arguments):
    value, failed = call(name, *arguments)
    return None if failed else ctypes.string_at(value).decode()


def row(*place):
    values, failed = call("get_string_list", *place, None)
    boolean, no_boolean = call("get_boolean", *place)
    integer, no_integer = call("get_integer", *place)
    raw = text("get_value", *place)
    string = text("get_string", *place)
    # of a malformed text g_key_file_get_locale_string() tells nothing reliable
    locale = text("get_locale_string", *place, b"de_AT.UTF-8@euro")
    return {
        "raw": raw,
        "string": string,
        "list": None if failed else strings(values),
        "boolean": None if no_boolean else bool(boolean),
        "integer": None if no_integer else integer,
        "locale": raw if string is None else locale,
    }


def dump(data):
    keyfile = ctypes.c_void_p(glib.g_key_file_new())
    _, failed = call("load_from_data", keyfile, data, ctypes.c_size_t(len(data)), 3)
    if failed:
        return {"error": True}
    groups = []
    for group in strings(glib.g_key_file_get_groups(keyfile, None)):
        keys = dict.fromkeys(strings(call("get_keys", keyfile, group.encode(), None)[0]))
        rows = [[key, row(keyfile, group.encode(), key.encode())] for key in keys]
        groups.append([group, rows])
    return {"groups": groups}


print(json.dumps([dump(item.encode()) for item in json.load(sys.stdin)]))
