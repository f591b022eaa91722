# SPDX-License-Identifier: MIT
"""The agent as a library in other people's build systems, as far as that can be seen here.

packaging/package.sh makes one tree for Arduino, PlatformIO, Zephyr and ESP-IDF. Its metadata is
held against schemas of ours, which name the public specification of each rule. The build files
run with stand-ins (packages/) for the functions that Zephyr and ESP-IDF bring, and what they
list is compiled for a Cortex-M; so are all sources in the layout that Arduino and PlatformIO
have, and the examples, whose platforms are stand-ins too. No registry and no board is asked.
"""
import json
import os
import pathlib
import re
import subprocess

import pytest

from bed import BIN, Bed, wait_for

pytestmark = pytest.mark.firmware

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent / 'packages'
NANOPB = pathlib.Path(os.environ.get('FP_NANOPB_SOURCE', ROOT / 'build' / 'debian' / 'nanopb'))
CPU = ['-mcpu=cortex-m4', '-mthumb']
C = ['arm-none-eabi-gcc', *CPU, '-std=gnu11', '-Wall', '-Wextra', '-Werror']
CXX = ['arm-none-eabi-g++', *CPU, '-std=gnu++11', '-Wall', '-Wextra', '-Werror', '-fno-exceptions', '-fno-rtti']
DRIVERS = {'littlefs', 'fat', 'spiffs', 'minifs', 'bonsai', 'raw'}
ZEPHYR_HEADERS = ['device', 'drivers/flash', 'drivers/hwinfo', 'drivers/uart', 'kernel', 'storage/flash_map', 'sys/ring_buffer']
ESP_HEADERS = ['driver/uart', 'esp_mac', 'esp_partition', 'esp_timer', 'freertos/FreeRTOS', 'freertos/semphr', 'freertos/task']


def run(*args, cwd, **env):
    done = subprocess.run([str(a) for a in args], cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, f'{" ".join(map(str, args))[:300]}\n{done.stdout}{done.stderr}'
    return done.stdout


@pytest.fixture(scope='module')
def package(tmp_path_factory):
    """Made out of what the build under test has generated, in a folder that knows nothing of this tree."""
    made = tmp_path_factory.mktemp('package') / 'flashport-agent'
    run('cmake', '--build', BIN.parent, '--target', 'fp_proto_generated', cwd=ROOT)
    run(ROOT / 'packaging' / 'package.sh', BIN.parent / 'generated', made, cwd=made.parent)
    return made


def sources(package, drivers=DRIVERS):
    """What a firmware compiles: everything, but drivers that it does not want."""
    found = {path.relative_to(package) for path in (package / 'src').rglob('*.c')}
    return {path for path in found if path.parts[1:3] != ('core', 'fs') or len(path.parts) < 5 or path.parts[3] in drivers}


# ---- metadata ----

def properties(text):
    return dict(line.split('=', 1) for line in text.splitlines() if line and line[0] != '#')


def metadata(package, name):
    import yaml
    text = (package / name).read_text()
    return {'json': json.loads, 'yml': yaml.safe_load, 'properties': properties}[name.rpartition('.')[2]](text)


@pytest.mark.parametrize('name, schema', [('library.json', 'library'), ('library.properties', 'properties'), ('zephyr/module.yml', 'module'),
                                          ('idf_component.yml', 'component')])
def test_metadata_is_what_each_specification_wants(package, name, schema):
    import jsonschema
    rules = json.loads((HERE / f'{schema}.schema.json').read_text())
    jsonschema.Draft7Validator.check_schema(rules)
    jsonschema.validate(metadata(package, name), rules, jsonschema.Draft7Validator)


def test_what_metadata_names_is_there(package):
    library, arduino = metadata(package, 'library.json'), metadata(package, 'library.properties')
    module, component = metadata(package, 'zephyr/module.yml'), metadata(package, 'idf_component.yml')
    version = re.search(r'project\(flashport VERSION ([\d.]+)', (ROOT / 'CMakeLists.txt').read_text()).group(1)
    assert {library['version'], arduino['version'], component['version']} == {version}
    assert library['headers'] == arduino['includes'] and (package / 'src' / arduino['includes']).is_file()
    for example in library['examples']:
        assert all((package / example['base'] / file).is_file() for file in example['files'])
    assert (package / module['build']['cmake'] / 'CMakeLists.txt').is_file() and (package / module['build']['kconfig']).is_file()
    for folder in module['samples'] + [example['path'] for example in component['examples']]:
        assert (package / folder / 'CMakeLists.txt').is_file()
    for sketch in (package / 'examples' / 'arduino').glob('*.ino'):    # which is named as its folder
        assert sketch.stem == sketch.parent.name


def test_nanopb_is_asked_of_each_registry_in_its_own_words(package):
    """By the names that each knows it by; the generated code says which versions fit."""
    header = (package / 'src' / 'proto' / 'flashport.pb.h').read_text()
    assert 'PB_PROTO_HEADER_VERSION != 40' in header    # nanopb 0.4, any
    assert metadata(package, 'library.json')['dependencies']['nanopb/Nanopb'].startswith('^0.4')
    assert metadata(package, 'library.properties')['depends'] == 'Nanopb'
    assert metadata(package, 'idf_component.yml')['dependencies']['livekit/nanopb'] == {'version': '^0.4.9', 'public': True}
    assert metadata(package, 'zephyr/module.yml')['build']['depends'] == ['nanopb']


def test_nothing_leads_out_of_the_tree(package):
    for path in package.rglob('*'):
        assert not path.is_symlink()
        if path.suffix in ('.c', '.h', '.ino', '.cpp'):
            for name in re.findall(r'^\s*#\s*include\s+"([^"]+)"', path.read_text(), re.M):
                assert '..' not in name and ((package / 'src' / name).is_file() or (path.parent / name).is_file()), (path, name)
        elif path.is_file():
            assert str(ROOT) not in path.read_text(), path


# ---- Kconfig ----

def kconfig(folder, top):
    import kconfiglib
    (folder / 'Kconfig').write_text(top)
    return kconfiglib.Kconfig(str(folder / 'Kconfig'), warn_to_stderr=False)


def ours(conf):
    return {name: symbol for name, symbol in conf.syms.items() if name.startswith('FLASHPORT')}


def test_kconfig_says_the_same_to_zephyr_and_esp_idf(package, tmp_path):
    """What it asks is what the sources and build files look at, and nothing is asked in vain."""
    esp = kconfig(tmp_path, f'source "{package}/Kconfig"\n')
    zephyr = kconfig(tmp_path, f'config ZEPHYR_NANOPB_MODULE\n\tbool\n\tdefault y\nconfig NANOPB\n\tbool\nsource "{package}/zephyr/Kconfig"\n')
    assert not esp.warnings and not zephyr.warnings
    assert set(ours(zephyr)) == set(ours(esp)) | {'FLASHPORT'}
    looked_at = set(re.findall(r'CONFIG_(FLASHPORT\w+)', (package / 'src' / 'flashport_config.h').read_text()))
    assert set(ours(esp)) == looked_at | {f'FLASHPORT_{driver.upper()}' for driver in DRIVERS}

    assert zephyr.syms['NANOPB'].str_value == 'n' and zephyr.syms['FLASHPORT_REQUESTS'].str_value == ''
    zephyr.syms['FLASHPORT'].set_value('y')
    assert zephyr.syms['NANOPB'].str_value == 'y' and zephyr.syms['FLASHPORT_LITTLEFS'].str_value == 'y'
    assert zephyr.syms['FLASHPORT_REQUESTS'].str_value == '2'
    zephyr.syms['FLASHPORT_REQUESTS'].set_value('1')    # the protocol promises two
    assert zephyr.syms['FLASHPORT_REQUESTS'].str_value == '2'


# ---- build files ----

def configure(tmp_path, stand_in, folder, options):
    """(sources, include directories) that the build file in `folder` tells its build system."""
    tmp_path.mkdir()
    settings = ''.join(f'set({name} {value})\n' for name, value in options.items())
    (tmp_path / 'CMakeLists.txt').write_text(f'cmake_minimum_required(VERSION 3.20)\nproject(stand_in NONE)\ninclude({HERE / stand_in})\n'
                                             f'{settings}add_subdirectory({folder} it)\n')
    run('cmake', '-S', '.', '-B', 'build', cwd=tmp_path)
    read = [tmp_path / 'build' / name for name in ('sources', 'includes')]
    return [path.read_text().split() if path.exists() else [] for path in read]


def compile_listed(tmp_path, listed, includes, definitions):
    """All at once, and only to see that they compile: what is made of them is another test's."""
    headers = [f'-I{folder}' for folder in [*includes, NANOPB]]
    run(*C, '-fsyntax-only', *headers, *definitions, *listed, cwd=tmp_path)


def defined(options):
    return [f'-D{name}={1 if value == "y" else value}' for name, value in options.items()]


@pytest.fixture
def stand_ins(tmp_path):
    """A folder of a platform's headers, each of which is the one that stands in for all."""
    def make(stand_in, names):
        folder = tmp_path / 'platform'
        for name in names:
            path = folder / f'{name}.h'
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f'#ifndef STAND_IN\n#define STAND_IN\n#include "{HERE / stand_in}"\n#endif\n')
        (folder / 'sdkconfig.h').write_text('')     # the options come as definitions
        return folder
    return make


def test_zephyr_compiles_what_kconfig_says(package, tmp_path, stand_ins):
    options = {'CONFIG_FLASHPORT': 'y', 'CONFIG_FLASHPORT_LITTLEFS': 'y', 'CONFIG_FLASHPORT_FAT': 'y', 'CONFIG_FLASHPORT_REQUESTS': '3'}
    listed, includes = configure(tmp_path / 'on', 'zephyr.cmake', package / 'zephyr', options)
    assert {pathlib.Path(path).resolve().relative_to(package) for path in listed} == sources(package, {'littlefs', 'fat'})
    assert [pathlib.Path(path).resolve() for path in includes] == [package / 'src']
    assert configure(tmp_path / 'off', 'zephyr.cmake', package / 'zephyr', {}) == [[], []]
    example = sorted((package / 'examples' / 'zephyr' / 'src').glob('*.c'))
    platform = stand_ins('zephyr.h', [f'zephyr/{name}' for name in ZEPHYR_HEADERS])
    compile_listed(tmp_path, [*listed, *example], [*includes, platform], defined(options))


def test_esp_idf_compiles_what_kconfig_says(package, tmp_path, stand_ins):
    options = {'CONFIG_FLASHPORT_LITTLEFS': 'y', 'CONFIG_FLASHPORT_ADDR64': 'y', 'CONFIG_FLASHPORT_NAME_MAX': '255'}
    listed, includes = configure(tmp_path / 'component', 'esp-idf.cmake', package, options)
    assert {pathlib.Path(path).relative_to(package) for path in listed} == sources(package, {'littlefs'})
    main, _ = configure(tmp_path / 'main', 'esp-idf.cmake', package / 'examples' / 'esp-idf' / 'main', {})
    platform = stand_ins('esp-idf.h', ESP_HEADERS)
    compile_listed(tmp_path, [*listed, *main], [*includes, platform], [*defined(options), '-DESP_PLATFORM'])


# ---- Arduino and PlatformIO ----

def test_arduino_and_platformio_compile_and_link_the_tree_alone(package, tmp_path):
    """Every source below src/ with src/ and nanopb on the include path, which is all that both give; then the example.

    What links needs nothing but nanopb, a C library and the platform; what is read lies in none but these."""
    objects = tmp_path / 'objects'
    objects.mkdir()
    flags = ['-O0', '-ffunction-sections', '-fdata-sections', '-MMD', '-I', package / 'src', '-I', NANOPB]
    for path in sorted(sources(package)) + [NANOPB / f'pb_{part}.c' for part in ('common', 'decode', 'encode')]:
        made = objects / ('-'.join(path.parts[-4:]) + '.o')
        run(*C, *flags, '-c', package / path, '-o', made, cwd=package)
    for sketch in ('examples/arduino/arduino.ino', 'examples/platformio/src/main.cpp'):
        folder = (package / sketch).parent
        run(*CXX, *flags, '-I', HERE, '-x', 'c++', '-c', package / sketch, '-o', tmp_path / 'sketch.o', cwd=folder)
        run(*C, *flags, '-c', folder / 'device.c', '-o', tmp_path / 'device.o', cwd=folder)
    toolchain = pathlib.Path(run(*C, '-print-file-name=include', cwd=package).strip()), pathlib.Path('/usr')
    for path in {name for file in objects.glob('*.d') for name in file.read_text().split(': ', 1)[1].split() if name[0] == '/'}:
        assert any(pathlib.Path(path).resolve().is_relative_to(place) for place in (package, NANOPB.resolve(), *toolchain)), path

    missing = link(tmp_path, [tmp_path / 'sketch.o', tmp_path / 'device.o', *sorted(objects.glob('*.o'))])
    assert missing == {'Stream::begin(unsigned long)', 'Stream::available()', 'Stream::availableForWrite()', 'Stream::read()',
                       'Stream::write(unsigned char const*, unsigned int)', 'Serial', 'millis()', 'delay(unsigned long)'}


def link(tmp_path, parts):
    """What is not there when a sketch is linked."""
    roots = [f'-Wl,--undefined={name}' for name in ('_Z5setupv', '_Z4loopv')]
    done = subprocess.run(['arm-none-eabi-gcc', *CPU, '--specs=nano.specs', '--specs=nosys.specs', '-nostartfiles', '-Wl,--gc-sections', *roots,
                           '-o', tmp_path / 'sketch.elf', *parts], capture_output=True, text=True, timeout=120)
    return set(re.findall(r'undefined reference to `(.*?)\'', done.stderr))


# ---- the example, which runs here ----

def largest(package):
    """The most that Kconfig lets one choose, as definitions."""
    ranges = re.findall(r'^config (\w+)\n(?:\t.*\n)*?\trange \d+ (\d+)', (package / 'Kconfig.options').read_text(), re.M)
    return {f'CONFIG_{name}': most for name, most in ranges}


@pytest.fixture(scope='module', params=['as it is', 'at its largest'])
def running(package, request):
    """The packaged tree and its example, compiled for this machine from nothing else, with a daemon at its wire."""
    folder, program = package / 'examples' / 'zephyr' / 'src', package.parent / request.param.replace(' ', '-')
    limits = largest(package) if request.param == 'at its largest' else {}
    run('gcc', '-std=gnu11', '-g', '-O0', '-fsanitize=thread', '-Wall', '-Wextra', '-Werror', '-DWORKSPACE_SIZE=16384', *defined(limits),
        '-I', package / 'src', '-I', NANOPB, '-I', folder, *sorted(package / path for path in sources(package, {'littlefs'})), *(NANOPB / f'pb_{part}.c' for part in ('common', 'decode', 'encode')),
        folder / 'device.c', HERE / 'host.c', '-o', program, '-lpthread', cwd=package)
    with Bed() as bed:
        device = bed.process('packaged', program, bed.dir / 'packaged.unix')
        bed.listens(device, 'unix', bed.dir / 'packaged.unix')
        bed.start_daemon()
        bed.online('packaged-1')
        bed.path_max = int(limits.get('CONFIG_FLASHPORT_PATH_MAX', 160))
        yield bed


def file_url(bed, name):
    return bed.api(f'/devices/packaged-1/fs/flash/{name}')


def test_application_and_host_share_the_files_and_changes_are_told(running):
    wait_for('its log', lambda: 'interval=1000\n' in running.http.get(file_url(running, 'log.txt')).text)
    assert running.http.put(file_url(running, 'interval.txt'), data=b'20').status_code == 201
    wait_for('what it was told', lambda: 'interval=20\n' in running.http.get(file_url(running, 'log.txt')).text)
    assert running.http.delete(file_url(running, 'interval.txt')).status_code == 204
    wait_for('what it was told then', lambda: re.search(r'=20\n(.*\n)*interval=1000\n', running.http.get(file_url(running, 'log.txt')).text))


def test_the_longest_path_is_taken(running):
    [volume] = running.http.get(running.api('/devices/packaged-1')).json()['volumes']
    name_max, left = volume['name_max'], running.path_max - len('/flash')
    path, url = '', file_url(running, '')
    while left - name_max - 1 > 1:
        path += 'd' * name_max + '/'
        left -= name_max + 1
        assert running.http.request('MKCOL', url + path).status_code == 201
    path += 'f' * (left - 1)
    assert running.http.put(url + path, data=b'x').status_code == 201
    assert running.http.get(url + path).content == b'x'
    assert running.http.put(url + path + 'f', data=b'x').status_code == 422


def test_what_the_firmware_keeps_is_refused(running):
    refused = running.http.put(file_url(running, 'factory'), data=b'x')
    assert refused.status_code == 403 and refused.json()['type'].endswith('/protected'), refused.text
    assert running.http.put(file_url(running, 'factory.txt'), data=b'x').status_code == 201
