"""Folders in the form of a Brain-Score stimulus set, as CSV and as NetCDF that xarray has written."""

import contextlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from brodmann.errors import UserError
from brodmann.localizers.stimulus_set import read_stimulus_set

# xarray 2026.9.0, of 6 presentations and 3 neuroids: open_dataset(...).to_netcdf(format="NETCDF3_64BIT").
# data = 0 to 17; s1, s2, s3 in repetition 0, then 1; neuroids a.1 and a.2 of subject a, b.1 of b.
OF_XARRAY = Path(__file__).parent / "assembly_of_xarray.nc"
STIMULI = "stimulus_id,sentence,passage_label\ns1,One text.,p\ns2,Another.,p\ns3,Three.,q\n"
MEANS = [[4.5, 5.5, 6.5], [7.5, 8.5, 9.5], [10.5, 11.5, 12.5]]


def test_netcdf_that_xarray_wrote(tmp_path):
    """An assembly alone has texts and groups itself."""
    shutil.copy(OF_XARRAY, tmp_path / "assy_Some2018_language.nc")
    stimuli, recordings = read_stimulus_set(tmp_path)
    assert stimuli.texts == ("One text.", "Ein größerer Text.", "Three.")
    assert stimuli.groups == ("p", "p", "q")
    assert recordings.names == ("a.1", "a.2", "b.1") and recordings.subjects == ("a", "a", "b")
    assert recordings.values.tolist() == MEANS and not recordings.by_subject
    assert recordings.repeats.tolist() == np.arange(18.0).reshape(2, 3, 3).tolist()


def test_the_same_as_csv_in_another_order(tmp_path):
    (tmp_path / "stimulus_Some2018.csv").write_text(STIMULI)
    shown = [(1, 2, "s3"), (0, 0, "s1"), (0, 2, "s3"), (1, 1, "s2"), (0, 1, "s2"), (1, 0, "s1")]
    rows = [
        f"{one},{time},{','.join(str(9.0 * time + 3 * n + k) for k in range(3))}"
        for time, n, one in shown
    ]
    head = "stimulus_id,repetition,a.1,a.2,b.1"
    (tmp_path / "assembly.csv").write_text("\n".join([head, *rows]) + "\n")
    stimuli, recordings = read_stimulus_set(tmp_path)
    assert stimuli.texts == ("One text.", "Another.", "Three.")
    assert recordings.values.tolist() == MEANS and recordings.subjects == ()
    # In the order in which repetitions come first.
    assert recordings.repeats[::-1].tolist() == np.arange(18.0).reshape(2, 3, 3).tolist()


def test_subjects_are_averaged_over_their_repetitions(tmp_path):
    (tmp_path / "stimulus_set.csv").write_text(STIMULI)
    rows = ["s1,x,0,1", "s1,x,1,3", "s1,y,0,8", "s2,x,0,5", "s2,y,0,7", "s3,x,0,2", "s3,y,0,4"]
    head = "stimulus_id,subject,repetition,roi"
    (tmp_path / "assembly.csv").write_text("\n".join([head, *rows]) + "\n")
    _, recordings = read_stimulus_set(tmp_path)
    assert recordings.by_subject
    assert recordings.repeats[:, :, 0].tolist() == [[2, 5, 2], [8, 7, 4]]


def test_stimuli_that_were_not_recorded_are_left_out_and_so_are_voxels_with_gaps(tmp_path):
    (tmp_path / "stimulus_set.csv").write_text(STIMULI)
    (tmp_path / "assembly.csv").write_text("stimulus_id,v,w\ns3,1,2\ns1,3,\n")
    stimuli, recordings = read_stimulus_set(tmp_path)
    assert stimuli.texts == ("One text.", "Three.") and stimuli.groups == ("p", "q")
    assert recordings.names == ("v",) and recordings.left_out == 1
    assert recordings.values.tolist() == [[3.0], [1.0]] and recordings.repeats is None


def test_stimuli_without_recordings(tmp_path):
    (tmp_path / "stimulus_set.csv").write_text("stimulus_id,sentence\n1,a\n2,b\n")
    stimuli, recordings = read_stimulus_set(tmp_path)
    assert stimuli.groups == ("0", "1") and recordings is None


@pytest.mark.parametrize(
    ("stimuli", "assembly", "message"),
    [
        (None, None, "there is no stimulus_set.csv"),
        ("sentence\na\n", None, "no column stimulus_id"),
        ("stimulus_id,words\ns1,a\n", None, "no column sentence, stimulus or text"),
        ("stimulus_id,sentence\ns1,\n", None, "stimulus 's1' has no text"),
        ("stimulus_id,sentence\ns1,a\ns1,b\n", None, "two texts have the stimulus_id 's1'"),
        ("stimulus_id,sentence\ns1\n", None, "row 2 has 1 cells, not 2"),
        (STIMULI, "stimulus_id,v\ns4,1\n", "'s4' is not one of the stimuli"),
        (STIMULI, "stimulus_id,v\ns1,x\n", "row 2, column v: 'x' is no number"),
        (STIMULI, "stimulus_id\ns1\n", "holds no recordings"),
        (STIMULI, "stimulus_id,v\ns1,\n", "no voxel was recorded in every presentation"),
        (
            STIMULI,
            "stimulus_id,repetition,v\ns1,0,1\ns2,0,1\ns1,1,1\n",
            "stimulus 's2' was not recorded in repetition 1",
        ),
        (STIMULI, b"\x89HDF\r\n\x1a\n" + bytes(90), r"is NetCDF-4.*format='NETCDF3_64BIT'"),
        (STIMULI, b"CDF\x01" + bytes(3), "is not a NetCDF file, or is damaged"),
        (STIMULI, b"nonsense", "is not a NetCDF file, or is damaged"),
    ],
)
def test_folders_that_are_wrong(tmp_path, stimuli, assembly, message):
    if stimuli is not None:
        (tmp_path / "stimulus_set.csv").write_text(stimuli)
    if isinstance(assembly, bytes):
        (tmp_path / "assembly.nc").write_bytes(assembly)
    elif assembly is not None:
        (tmp_path / "assembly.csv").write_text(assembly)
    with pytest.raises(UserError, match=message) as caught:
        read_stimulus_set(tmp_path)
    assert str(caught.value).count("\n") == 0


def test_a_cut_netcdf_file_is_named(tmp_path):
    whole = OF_XARRAY.read_bytes()
    for length in range(0, len(whole), 61):
        (tmp_path / "assembly.nc").write_bytes(whole[:length])
        with pytest.raises(UserError, match=r"assembly\.nc"):
            read_stimulus_set(tmp_path)


def test_damaged_bytes_of_netcdf_are_read_or_named(tmp_path):
    whole = OF_XARRAY.read_bytes()
    for place in range(0, len(whole), 17):
        for value in (0, 255):
            damaged = bytearray(whole)
            damaged[place] = value
            (tmp_path / "assembly.nc").write_bytes(damaged)
            with contextlib.suppress(UserError):
                read_stimulus_set(tmp_path)


def test_several_assemblies_are_not_guessed_between(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"assy_{name}.csv").write_text("stimulus_id,v\ns1,1\n")
    with pytest.raises(UserError, match=r"assy_a\.csv and assy_b\.csv"):
        read_stimulus_set(tmp_path)


def test_time_bins_are_not_averaged_by_chance(tmp_path):
    from scipy.io import netcdf_file

    with netcdf_file(tmp_path / "assembly.nc", "w") as file:
        for name, size in (("presentation", 2), ("neuroid", 1), ("time_bin", 3)):
            file.createDimension(name, size)
        file.createVariable("data", "f8", ("presentation", "neuroid", "time_bin"))[:] = 1.0
        file.createVariable("stimulus_id", "i4", ("presentation",))[:] = [1, 2]
    (tmp_path / "stimulus_set.csv").write_text("stimulus_id,sentence\n1,a\n2,b\n")
    with pytest.raises(UserError, match="has the dimension time_bin as well"):
        read_stimulus_set(tmp_path)
