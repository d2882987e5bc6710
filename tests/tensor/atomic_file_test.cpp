#include "tensor/io/atomic_file.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>
#include <string>

#include "tests/harness/temp_folder.h"
#include "tests/tensor/full_disk.h"

using rein::AtomicFile;
using rein::write_file_atomically;
using rein::test::contents_of;
using rein::test::FullDisk;
using rein::test::TempFolder;

TEST_CASE("atomic file: appears at commit and replaces what was there") {
  const TempFolder folder;
  folder.write("a", "old");
  {
    AtomicFile file(folder / "a");
    file.write("new ");
    file.write("text");
    CHECK(contents_of(folder / "a") == "old");
    CHECK(folder.file_count() == 2);
    file.commit();
    CHECK(contents_of(folder / "a") == "new text");
    CHECK_THROWS_AS(file.commit(), std::runtime_error);
    CHECK_THROWS_AS(file.write("x"), std::runtime_error);
  }
  CHECK(contents_of(folder / "a") == "new text");
  CHECK(folder.file_count() == 1);
  write_file_atomically(folder / "empty", "");
  CHECK(contents_of(folder / "empty").empty());
}

TEST_CASE("atomic file: without commit, or with an exception on the way, nothing changes") {
  const TempFolder folder;
  folder.write("a", "old");
  try {
    AtomicFile file(folder / "a");
    file.write("half");
    throw 1;
  } catch (int) {
  }
  CHECK(contents_of(folder / "a") == "old");
  CHECK(folder.file_count() == 1);
}

TEST_CASE("atomic file: two writers of one file do not meet") {
  const TempFolder folder;
  AtomicFile first(folder / "a"), second(folder / "a");
  first.write("first");
  second.write("second");
  second.commit();
  CHECK(contents_of(folder / "a") == "second");
  first.commit();
  CHECK(contents_of(folder / "a") == "first");
  CHECK(folder.file_count() == 1);
}

TEST_CASE("atomic file: a full disk is an error that names the file, and leaves no piece") {
  const TempFolder folder;
  folder.write("a", "old");
  std::string message;
  {
    const FullDisk full(5000);
    try {
      write_file_atomically(folder / "a", std::string(20'000, 'x'));
    } catch (const std::runtime_error& error) {
      message = error.what();
    }
  }
  CHECK(message == "[file] " + (folder / "a").string() + ": cannot write: File too large");
  CHECK(contents_of(folder / "a") == "old");
  CHECK(folder.file_count() == 1);
}

TEST_CASE("atomic file: killed while writing, the old file stays whole") {
  const TempFolder folder;
  folder.write("a", "old");
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    AtomicFile file(folder / "a");
    file.write("half of the new");
    ::_exit(0);  // no destructor runs, as with kill -9
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(contents_of(folder / "a") == "old");
  CHECK(folder.file_count() == 2);
  write_file_atomically(folder / "a", "new");  // the piece left behind is in nobody's way
  CHECK(contents_of(folder / "a") == "new");
}

TEST_CASE("atomic file: refuses what it cannot replace") {
  const TempFolder folder;
  CHECK_THROWS_AS(AtomicFile(folder / "no" / "a"), std::runtime_error);
  CHECK_THROWS_AS(AtomicFile(folder.path()), std::runtime_error);
  CHECK_THROWS_AS(AtomicFile("/dev/full"), std::runtime_error);
  CHECK_THROWS_AS(AtomicFile(""), std::runtime_error);
  CHECK_THROWS_AS(rein::sync_folder(folder / "no"), std::runtime_error);
  folder.write("file", "");
  CHECK_THROWS_AS(AtomicFile(folder / "file" / "a"), std::runtime_error);
  CHECK(folder.file_count() == 1);
}

TEST_CASE("atomic file: a link stays a link") {
  const TempFolder folder;
  folder.write("target", "old");
  std::filesystem::create_symlink("target", folder / "link");
  write_file_atomically(folder / "link", "new");
  CHECK(std::filesystem::is_symlink(folder / "link"));
  CHECK(contents_of(folder / "target") == "new");
}

TEST_CASE("atomic file: permissions follow the umask, as for any new file") {
  const TempFolder folder;
  const mode_t before = ::umask(027);
  write_file_atomically(folder / "a", "x");
  ::umask(before);
  CHECK((std::filesystem::status(folder / "a").permissions() & std::filesystem::perms::all) ==
        static_cast<std::filesystem::perms>(0640));
}
