//===- AtomicFileTest.cpp - Files that are whole or absent ----------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/IO/AtomicFile.h"

#include "IOTestSupport.h"

#include <unistd.h>

namespace norma::io::test {
namespace {

class AtomicFileTest : public FolderTest {
protected:
  static Expected<void> write(AtomicFile &file, std::string_view text) {
    return file.write(text.data(), text.size());
  }
};

using Names = std::vector<std::string>;

TEST_F(AtomicFileTest, AppearsWithCommitOnly) {
  Expected<AtomicFile> file = AtomicFile::create(in("out"));
  ASSERT_TRUE(succeeded(file));
  EXPECT_EQ(file->path(), in("out"));
  ASSERT_TRUE(succeeded(write(*file, "one ")));
  ASSERT_TRUE(succeeded(write(*file, "two")));
  ASSERT_EQ(entries().size(), 1u);
  EXPECT_EQ(entries()[0].substr(0, 5), ".out.");
  EXPECT_EQ(entries()[0].size(), std::strlen(".out.XXXXXX"));
  ASSERT_TRUE(succeeded(file->commit()));
  EXPECT_EQ(entries(), Names{"out"});
  EXPECT_EQ(slurp(in("out")), "one two");
}

TEST_F(AtomicFileTest, DestroyedUncommittedLeavesNothing) {
  {
    Expected<AtomicFile> file = AtomicFile::create(in("out"));
    ASSERT_TRUE(succeeded(file));
    ASSERT_TRUE(succeeded(write(*file, "text")));
  }
  EXPECT_EQ(entries(), Names{});
}

TEST_F(AtomicFileTest, OldFileSurvivesUntilCommit) {
  spill(in("out"), "old");
  {
    Expected<AtomicFile> file = AtomicFile::create(in("out"));
    ASSERT_TRUE(succeeded(file));
    ASSERT_TRUE(succeeded(write(*file, "new")));
    EXPECT_EQ(slurp(in("out")), "old");
  }
  EXPECT_EQ(slurp(in("out")), "old");
  EXPECT_EQ(entries(), Names{"out"});
}

TEST_F(AtomicFileTest, WritesOutOfOrder) {
  Expected<AtomicFile> file = AtomicFile::create(in("out"));
  ASSERT_TRUE(succeeded(file));
  ASSERT_TRUE(succeeded(file->writeAt(4, "efg", 3)));
  ASSERT_TRUE(succeeded(write(*file, "ab")));
  ASSERT_TRUE(succeeded(file->commit()));
  EXPECT_EQ(slurp(in("out")), std::string("ab\0\0efg", 7));
}

TEST_F(AtomicFileTest, IsSpentAfterCommit) {
  Expected<AtomicFile> file = AtomicFile::create(in("out"));
  ASSERT_TRUE(succeeded(file));
  ASSERT_TRUE(succeeded(file->commit()));
  EXPECT_TRUE(failsWith(write(*file, "x"), ErrorCode::InvalidArgument, {in("out")}));
  EXPECT_TRUE(failsWith(file->writeAt(0, "x", 1), ErrorCode::InvalidArgument, {in("out")}));
  EXPECT_TRUE(failsWith(file->commit(), ErrorCode::InvalidArgument, {in("out")}));
  EXPECT_EQ(slurp(in("out")), "");
}

TEST_F(AtomicFileTest, Moves) {
  Expected<AtomicFile> first = AtomicFile::create(in("first"));
  Expected<AtomicFile> second = AtomicFile::create(in("second"));
  ASSERT_TRUE(succeeded(first) && succeeded(second));
  ASSERT_TRUE(succeeded(write(*first, "1")));
  *second = std::move(*first); // the second's temporary goes
  EXPECT_EQ(entries().size(), 1u);
  AtomicFile third = std::move(*second);
  ASSERT_TRUE(succeeded(third.commit()));
  EXPECT_EQ(entries(), Names{"first"});
  EXPECT_EQ(slurp(in("first")), "1");
}

TEST_F(AtomicFileTest, NewFilesHaveTheUmask) {
  const mode_t old = ::umask(027);
  Expected<AtomicFile> file = AtomicFile::create(in("out"));
  ::umask(old);
  ASSERT_TRUE(succeeded(file));
  ASSERT_TRUE(succeeded(file->commit()));
  EXPECT_EQ(modeOf(in("out")), mode_t(0640));
}

TEST_F(AtomicFileTest, ReplacedFilesKeepTheirPermissions) {
  spill(in("out"), "old");
  ASSERT_EQ(::chmod(in("out").c_str(), 0606), 0);
  Expected<AtomicFile> file = AtomicFile::create(in("out"));
  ASSERT_TRUE(succeeded(file));
  ASSERT_TRUE(succeeded(write(*file, "new")));
  ASSERT_TRUE(succeeded(file->commit()));
  EXPECT_EQ(modeOf(in("out")), mode_t(0606));
  EXPECT_EQ(slurp(in("out")), "new");
}

TEST_F(AtomicFileTest, WritesThroughLinks) {
  std::filesystem::create_directory(in("sub"));
  spill(in("sub/target"), "old");
  std::filesystem::create_symlink("sub/hop", in("link"));
  std::filesystem::create_symlink("target", in("sub/hop"));
  std::filesystem::create_symlink("sub/new", in("dangling"));
  for (const char *name : {"link", "dangling"}) {
    Expected<AtomicFile> file = AtomicFile::create(in(name));
    ASSERT_TRUE(succeeded(file));
    ASSERT_TRUE(succeeded(write(*file, name)));
    ASSERT_TRUE(succeeded(file->commit()));
    EXPECT_TRUE(std::filesystem::is_symlink(in(name)));
  }
  EXPECT_TRUE(std::filesystem::is_symlink(in("sub/hop")));
  EXPECT_EQ(slurp(in("sub/target")), "link");
  EXPECT_EQ(slurp(in("sub/new")), "dangling");
  EXPECT_EQ(entries().size(), 3u);

  std::filesystem::create_symlink("loop", in("loop"));
  EXPECT_TRUE(failsWith(AtomicFile::create(in("loop")), ErrorCode::IOError,
                        {in("loop"), "symbolic links"}));
}

TEST_F(AtomicFileTest, RefusesWhatIsNotAFile) {
  EXPECT_TRUE(failsWith(AtomicFile::create(""), ErrorCode::InvalidArgument, {"empty"}));
  EXPECT_TRUE(
      failsWith(AtomicFile::create(folder), ErrorCode::InvalidArgument, {folder, "a directory"}));
  EXPECT_TRUE(failsWith(AtomicFile::create(in("new/")), ErrorCode::InvalidArgument,
                        {in("new/"), "ends with '/'"}));
  EXPECT_TRUE(failsWith(AtomicFile::create("/dev/null"), ErrorCode::InvalidArgument,
                        {"/dev/null", "a character device"}));
  ASSERT_EQ(::mkfifo(in("fifo").c_str(), 0600), 0);
  EXPECT_TRUE(failsWith(AtomicFile::create(in("fifo")), ErrorCode::InvalidArgument,
                        {in("fifo"), "a FIFO"}));
  EXPECT_EQ(entries(), Names{"fifo"});
}

TEST_F(AtomicFileTest, NamesThePathAndTheReason) {
  EXPECT_TRUE(failsWith(AtomicFile::create(in("missing/out")), ErrorCode::NotFound,
                        {in("missing/out"), "No such file or directory"}));
  spill(in("file"), "");
  EXPECT_TRUE(failsWith(AtomicFile::create(in("file/out")), ErrorCode::NotFound,
                        {in("file/out"), "Not a directory"}));
  EXPECT_TRUE(failsWith(AtomicFile::create(in(std::string(300, 'n'))), ErrorCode::IOError,
                        {"File name too long"}));
}

TEST_F(AtomicFileTest, RefusesWithoutWritePermission) {
  if (::geteuid() == 0)
    GTEST_SKIP() << "permissions do not bind root";
  spill(in("readonly"), "old");
  ASSERT_EQ(::chmod(in("readonly").c_str(), 0444), 0);
  EXPECT_TRUE(failsWith(AtomicFile::create(in("readonly")), ErrorCode::IOError,
                        {in("readonly"), "Permission denied"}));
  std::filesystem::create_directory(in("closed"));
  ASSERT_EQ(::chmod(in("closed").c_str(), 0555), 0);
  EXPECT_TRUE(failsWith(AtomicFile::create(in("closed/out")), ErrorCode::IOError,
                        {in("closed/out"), "Permission denied"}));
  EXPECT_EQ(slurp(in("readonly")), "old");
}

TEST_F(AtomicFileTest, TakesTheLongestNames) {
  const std::string name(255, 'n');
  Expected<AtomicFile> file = AtomicFile::create(in(name));
  ASSERT_TRUE(succeeded(file));
  ASSERT_TRUE(succeeded(file->commit()));
  EXPECT_EQ(entries(), Names{name});
}

TEST_F(AtomicFileTest, OldFileSurvivesAFullDisk) {
  spill(in("out"), "old");
  const std::string data(10000, 'x');
  Expected<AtomicFile> file = AtomicFile::create(in("out"));
  ASSERT_TRUE(succeeded(file));
  {
    FileSizeLimit limit(4096);
    ASSERT_TRUE(succeeded(file->write(data.data(), 3000)));
    EXPECT_TRUE(failsWith(file->write(data.data(), data.size()), ErrorCode::ResourceExhausted,
                          {in("out"), "File too large"}));
  }
  // The space is given back at once, and what is half cannot be committed.
  EXPECT_EQ(entries(), Names{"out"});
  EXPECT_TRUE(failsWith(write(*file, "x"), ErrorCode::InvalidArgument, {in("out")}));
  EXPECT_TRUE(failsWith(file->commit(), ErrorCode::InvalidArgument, {in("out")}));
  EXPECT_EQ(slurp(in("out")), "old");
}

TEST_F(AtomicFileTest, FailedRenameLeavesNothing) {
  Expected<AtomicFile> file = AtomicFile::create(in("out"));
  ASSERT_TRUE(succeeded(file));
  std::filesystem::create_directory(in("out")); // somebody else was faster
  EXPECT_TRUE(failsWith(file->commit(), ErrorCode::IOError, {in("out"), "Is a directory"}));
  EXPECT_EQ(entries(), Names{"out"});
}

TEST_F(AtomicFileTest, TwoWritersOfOneNameDoNotMix) {
  Expected<AtomicFile> first = AtomicFile::create(in("out"));
  Expected<AtomicFile> second = AtomicFile::create(in("out"));
  ASSERT_TRUE(succeeded(first) && succeeded(second));
  ASSERT_TRUE(succeeded(write(*first, "first")));
  ASSERT_TRUE(succeeded(write(*second, "second")));
  ASSERT_TRUE(succeeded(second->commit()));
  EXPECT_EQ(slurp(in("out")), "second");
  ASSERT_TRUE(succeeded(first->commit()));
  EXPECT_EQ(slurp(in("out")), "first");
  EXPECT_EQ(entries(), Names{"out"});
}

} // namespace
} // namespace norma::io::test
