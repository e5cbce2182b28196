# SPDX-License-Identifier: Apache-2.0
# fs-verity: on for every object and image of root's installation, and required by the mounts.
# shellcheck shell=bash
store=/var/lib/dowel
app=org.example.Probe
text=$store/app/$app/current/active/files/share/text

mounted() { grep -E ' - overlay composefs ' /proc/self/mountinfo; }
all_mounts_require_verity() { mounted && [ "$(mounted | wc -l)" = "$(mounted | grep -c verity=require)" ]; }
append_to() { echo more >>"$1"; }
remount() {
  for target in /run/dowel/images/*/*; do umount -l "$target" 2>/dev/null || true; done
  echo 3 >/proc/sys/vm/drop_caches
  dowel plumbing mount --system
}

test_install_as_root_and_run() {
  cp -r /mnt/one /var/tmp/images
  dowel remote-add --system apps oci:/var/tmp/images
  dowel install --system -y apps "$app"
  dowel run "$app" id | grep '"uid":0'
}

test_every_object_has_verity_and_its_digest_as_its_name() {
  found=0
  for object in $(find "$store/objects" -type f); do
    name=${object#"$store/objects/"}
    [ "$(fsverity measure "$object" | cut -d' ' -f1)" = "sha256:${name/\//}" ]
    found=$((found + 1))
  done
  [ "$found" -gt 1 ]
}

test_images_have_verity_and_the_digest_that_is_noted() {
  for folder in "$store"/images/*; do
    [ "$(fsverity measure "$folder/image.cfs" | cut -d' ' -f1)" = "sha256:$(cat "$folder/digest")" ]
  done
}

test_mounts_require_verity() {
  all_mounts_require_verity
}

test_an_object_cannot_be_written_to() {
  object=$(find "$store/objects" -type f -print -quit)
  refused append_to "$object"
}

test_the_kernel_refuses_an_object_that_was_replaced() {
  digest=$(fsverity digest "$(readlink -f "$text")" | cut -d' ' -f1)
  digest=${digest#sha256:}
  object=$store/objects/${digest:0:2}/${digest:2}
  [ -f "$object" ]
  mv "$object" /var/lib/dowel/saved
  tr o x </var/lib/dowel/saved >"$object"
  chmod 0444 "$object"
  remount
  refused cat "$text"
  fsverity enable "$object"
  remount
  refused cat "$text"
  mv /var/lib/dowel/saved "$object"
  remount
  grep -q one "$text"
}

test_repair_replaces_what_the_kernel_refuses_and_seals_it() {
  object=$(find "$store/objects" -type f -size -2 -print -quit)
  tr a-z A-Z <"$object" >/var/lib/dowel/changed
  mv /var/lib/dowel/changed "$object"
  refused dowel repair --system --dry-run
  dowel repair --system
  fsverity measure "$object"
  remount
  dowel run "$app" id | grep '"uid":0'
}

test_repair_seals_an_object_that_lost_its_verity() {
  object=$(find "$store/objects" -type f -size -2 -print -quit)
  cp -p "$object" /var/lib/dowel/copy
  mv /var/lib/dowel/copy "$object"
  refused fsverity measure "$object"
  refused dowel repair --system --dry-run
  dowel repair --system
  fsverity measure "$object"
  dowel repair --system --dry-run
}

test_a_changed_image_is_not_mounted() {
  image=$(readlink -f "$store/app/$app/current/active")
  image=$store/images/${image##*/}/image.cfs
  cp "$image" /var/lib/dowel/image
  printf x | dd of=/var/lib/dowel/image bs=1 seek=2000 conv=notrunc status=none
  mv "$image" /var/lib/dowel/image.saved
  mv /var/lib/dowel/image "$image"
  refused remount
  mv /var/lib/dowel/image.saved "$image"
  remount
}

test_an_installation_without_verity_is_sealed_when_it_is_mounted() {
  cp -a "$store" /var/lib/copy
  refused fsverity measure "$(find /var/lib/copy/objects -type f -print -quit)"
  export DOWEL_SYSTEM_DIR=/var/lib/copy
  dowel plumbing mount --system
  fsverity measure "$(find /var/lib/copy/objects -type f -print -quit)"
  all_mounts_require_verity
  dowel uninstall --system -y --all
}
